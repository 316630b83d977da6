/** Networks and servers that fail under a held lease: the loss is told in time, or there is none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLostError, StoreError, tryAcquire } from 'dlock-js';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import { assertTaken, eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { itemOf, say } from '../support/memcached-talk.js';
import type { FaultyProxy } from '../support/proxy/faulty.js';
import { startMemcached, startRedis } from '../support/servers.js';
import { type StoreKind, setTheScene, storeKinds } from './kinds.js';

for (const kind of storeKinds) {
  describe(`${kind.name}, the network fails`, { concurrency: true }, () => testNetwork(kind));
}

function testNetwork(kind: StoreKind): void {
  const { open } = kind;
  const scene = setTheScene(kind);

  const failures: Record<string, (proxy: FaultyProxy) => void> = {
    'nothing reaches the server': (proxy) => proxy.freeze('commands'),
    'nothing comes back': (proxy) => proxy.freeze('replies'),
    'nothing goes either way': (proxy) => proxy.freeze(),
    'connections are refused': (proxy) => proxy.refuse(),
  };
  for (const [what, fail] of Object.entries(failures)) {
    test(`${what}: told before another can hold the lock, and it keeps it`, async () => {
      await using proxy = await scene.startProxy();
      await using mine = await open(proxy.ports, { ttl: 900, timeout: 2_000 });
      const lease = await tryAcquire(mine.store, what);
      assert.ok(lease);
      const { signal } = lease;
      fail(proxy);
      await takeWhenFree(scene.direct, what, thief, ({ granted }) => {
        if (granted) assert.equal(signal.aborted, true, 'two held the lock at once');
      });
      assert.ok(signal.reason instanceof LeaseLostError);
      proxy.thaw();
      proxy.accept();
      assert.equal(await lease.release(), false);
      await assertTaken(scene.direct, what);
      assert.equal(await scene.direct.release(what, thief), true);
    });
  }

  test('all goes through again before the deadline: the lease was never lost', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: 6_000 });
    const lease = await tryAcquire(mine.store, 'short outage');
    assert.ok(lease);
    proxy.freeze();
    await eventually('a renewal is late', () => lease.remaining < 3_000);
    proxy.cut();
    proxy.thaw();
    await eventually('it is renewed', () => lease.remaining > 4_000);
    await assertTaken(scene.direct, 'short outage');
    assert.equal(await lease.release(), true);
  });

  test('every reply is late: leases are taken, renewed and given back', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: 2_000 });
    proxy.delay('replies', 100);
    const lease = await tryAcquire(mine.store, 'slow');
    assert.ok(lease);
    await delay(3_000);
    assert.equal(lease.held, true);
    assert.equal(await lease.release(), true);
  });
}

describe('servers that are full', { concurrency: true }, () => {
  test('redis, evicting: told at the next renewal', async () => {
    await using server = await startRedis();
    const client = await createClient({ url: server.url }).connect();
    const lease = await tryAcquire(new RedisStore(client), 'import', { ttl: 3_000 });
    assert.ok(lease);
    const { signal } = lease;
    await client.configSet('maxmemory-policy', 'allkeys-random');
    await client.configSet('maxmemory', '1');
    // Redis makes room when something is written, by evicting all there is.
    await assert.rejects(client.set('more', 'data'), /OOM/);
    assert.equal(await client.exists('dlock:import'), 0);
    await client.configSet('maxmemory', '0');
    await eventually('the loss is told', () => signal.aborted);
    assert.match(signal.reason.message, /not ours/);
    assert.equal(await lease.release(), false);
    client.destroy();
  });

  test('redis, refusing to grow: an error for who comes; who holds extends and releases', async () => {
    await using server = await startRedis();
    const client = await createClient({ url: server.url }).connect();
    const store = new RedisStore(client);
    const lease = await tryAcquire(store, 'import', { ttl: 60_000 });
    assert.ok(lease);
    await client.configSet('maxmemory', '1');
    await assert.rejects(tryAcquire(store, 'another'), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /OOM/);
      return true;
    });
    await lease.extend();
    assert.equal(await lease.release(), true);
    assert.equal(await client.exists('dlock:import'), 0);
    client.destroy();
  });

  test('memcached, evicting: told at the next renewal', async () => {
    const options = 'no_lru_crawler,no_lru_maintainer';
    await using server = await startMemcached(['-m', '2', '-o', options]);
    const client = new MemcacheClient({ server: server.address });
    const lease = await tryAcquire(new MemcacheStore(client), 'import', { ttl: 60_000 });
    assert.ok(lease);
    const { signal } = lease;
    await eventually('the item is evicted', async () => {
      const fill = Array.from({ length: 500 }, () => `set ${Math.random()} 0 0 32\r\n${thief}\r\n`);
      await say(server.address, fill.join(''), /^(STORED\r\n){500}$/);
      return (await itemOf(server.address, 'dlock:import')) === undefined;
    });
    await assert.rejects(lease.extend(), LeaseLostError);
    assert.equal(signal.aborted, true);
    assert.equal(await lease.release(), false);
    client.shutdown();
  });
});
