/** Redis servers, and clients of theirs, for tests of a quorum over them. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { type LockStore, StoreError, tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';
import { eventually } from '../../src/testing/fixture.js';
import { startRedis } from '../support/servers.js';

// What a quorum does in the background keeps no process alive; while tests wait for it, this does.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

const clients: { destroy(): void }[] = [];
after(() => {
  for (const client of clients) client.destroy();
});

/** A client that is soon back when its server is, and ends with the tests. */
export async function connect(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on('error', () => {});
  clients.push(client);
  return client.connect();
}

/** Five servers, a connection of ours to each, and what tests ask of all. */
export async function startServers() {
  const servers = await Promise.all(Array.from({ length: 5 }, () => startRedis()));
  // A client that is ended while it connects again does so all the same: this ends its connection, too.
  after(() => Promise.all(servers.map((server) => server.stop())));
  const connectAll = () => Promise.all(servers.map(({ url }) => connect(url)));
  const raw = await connectAll();

  /** The first of the servers, by connections of its own. */
  async function members(size: number): Promise<LockStore[]> {
    return (await connectAll()).slice(0, size).map((client) => new RedisStore(client));
  }

  /** The locks that are taken on any of the servers. */
  async function taken(): Promise<string[]> {
    return (await Promise.all(raw.map((client) => client.keys('dlock:*')))).flat();
  }

  function nothingIsLeft(): Promise<void> {
    return eventually('no key is left on any server', async () => (await taken()).length === 0);
  }

  return { servers, raw, members, taken, nothingIsLeft };
}

/** Takes a lock, is kept out of it, and gives it back; what stayed behind would stay for long. */
export async function cycle(store: LockStore, other: LockStore, name: string): Promise<void> {
  const lease = await tryAcquire(store, name, { ttl: 1_200_000 });
  assert.ok(lease, 'it can be taken');
  assert.equal(await tryAcquire(other, name, { ttl: 1_200_000 }), null);
  await lease.extend();
  assert.equal(await lease.release(), true);
}

export async function assertUnavailable(store: LockStore, name: string): Promise<void> {
  const start = performance.now();
  await assert.rejects(tryAcquire(store, name, { ttl: 1_200_000 }), (error: Error) => {
    assert.ok(error instanceof StoreError, String(error));
    // Where the machine stood still, both limits have passed: that of a member, and its own.
    assert.match(error.message, /there is no majority|no answer within/);
    return true;
  });
  assert.ok(performance.now() - start < 30_000);
}
