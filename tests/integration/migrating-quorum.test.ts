/**
 * A fleet whose locks lie on several servers, as docs/migrating.md says: redlock and `RedlockMutex` exclude a
 * quorum of ours on the same servers, and the quorum them.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, type LockStore, tryAcquire } from 'dlock-js';
import { QuorumStore } from 'dlock-js/quorum';
import { clients, connected, type OpenClient } from '../support/clients.js';
import { type OwnServer, startRedis } from '../support/servers.js';
import { connectIoredis, onSeveralServers } from './other-libraries.js';

const long = 60_000;

for (const [library, other] of Object.entries(onSeveralServers)) {
  describe(`${library} and QuorumStore, on three servers`, () => {
    const { prefix } = other;
    let servers: (OwnServer & { url: string })[];
    let theirs: ReturnType<typeof connectIoredis>[];
    let opened: OpenClient[];
    let store: LockStore;
    before(async () => {
      servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
      theirs = servers.map((server) => connectIoredis(server.url));
      const open = (url: string) => connected(clients['node-redis 6'](url));
      opened = await Promise.all(servers.map(({ url }) => open(url)));
      store = new QuorumStore(opened.map((each) => each.createStore({ prefix, timeout: 1_000 })));
    });
    after(async () => {
      for (const each of theirs) each.disconnect();
      for (const each of opened) await each[Symbol.asyncDispose]();
      for (const server of servers) await server.stop();
    });

    test('both ways, and with one server down', async () => {
      for (const isDown of [false, true]) {
        if (isDown) await servers[0]?.kill();
        const name = isDown ? 'two servers' : 'three servers';
        const old = await other.tryLock(theirs, name, long);
        assert.ok(old);
        assert.equal(await tryAcquire(store, name), null);
        assert.notEqual(await old.release(), false);
        const lease = await acquire(store, name, { wait: long });
        assert.equal(await other.tryLock(theirs, name, long), null);
        assert.equal(await lease.release(), true);
        const again = await other.lock(theirs, name, long);
        assert.notEqual(await again.release(), false);
      }
    });
  });
}
