/** A lease that goes to another process, by a ticket on its stdin. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type LeaseTicket, tryAcquire } from 'dlock-js';
import { execa } from 'execa';
import { eventually } from '../../src/testing/fixture.js';
import { sharedMemcached, sharedRedis } from '../support/servers.js';
import { openStore } from '../support/stores.js';
import { compile } from '../support/workers.js';

const directory = await mkdtemp(join(tmpdir(), 'dlock-hand-over-'));
after(() => rm(directory, { recursive: true }));

function startAdopter(url: string, ticket: LeaseTicket, ms: number) {
  const file = compile(new URL('./workers/adopter.ts', import.meta.url));
  return execa(process.execPath, [file, url, `${ms}`], {
    input: JSON.stringify(ticket),
    reject: false,
  });
}

const redis = await sharedRedis();
for (const url of [
  pathToFileURL(directory).href,
  redis,
  redis.replace('redis:', 'redis+iovalkey:'),
  redis.replace('redis:', 'redis+glide:'),
  `memcache://${await sharedMemcached()}`,
]) {
  describe(`${new URL(url).protocol} handed over`, () => {
    test('the other process holds the lock, with the same fence, and releases it', async () => {
      const { store, close } = await openStore(url);
      const lease = await tryAcquire(store, 'handed over', { ttl: 20_000 });
      assert.ok(lease);
      const adopter = startAdopter(url, lease.handOver(), 3_000);
      await eventually('it adopts', async () => {
        const { value } = await adopter.iterable().next();
        assert.equal(value, `adopted ${lease.fence}`);
        return true;
      });
      assert.equal(await tryAcquire(store, 'handed over'), null);
      assert.equal((await adopter).exitCode, 0);
      const next = await tryAcquire(store, 'handed over');
      assert.equal(await next?.release(), true);
      await close();
    });

    test('killed, it leaves the lock free after the ttl; a ticket that is too late adopts nothing', async () => {
      const { store, close } = await openStore(url);
      const lease = await tryAcquire(store, 'orphaned', { ttl: 2_000 });
      assert.ok(lease);
      const ticket = lease.handOver();
      const adopter = startAdopter(url, ticket, 60_000);
      await adopter.iterable().next();
      adopter.kill('SIGKILL');
      await adopter;
      await eventually('the lock comes free', async () => {
        const next = await tryAcquire(store, 'orphaned');
        await next?.release();
        return next !== null;
      });
      assert.equal((await startAdopter(url, ticket, 0)).stdout, 'too late');
      await close();
    });
  });
}
