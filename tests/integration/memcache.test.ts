/** MemcacheStore, on real servers: whole seconds, cas numbers, and servers in trouble. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { StoreError, tryAcquire } from 'dlock-js';
import { MemcacheStore } from 'dlock-js/memcache';
import { MemcacheClient } from 'memcache-client';
import { eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { allKeys, itemOf, say } from '../support/memcached-talk.js';
import { randomNames } from '../support/random-names.js';
import { sharedMemcached, startMemcached } from '../support/servers.js';
import { countTogether } from './many-processes.js';

/** A client that ends with its block. */
function connect(server: string, options: { cmdTimeout?: number } = {}) {
  const client = new MemcacheClient({ server, ...options });
  return Object.assign(client, { [Symbol.dispose]: () => client.shutdown() });
}

const address = await sharedMemcached();
const client = connect(address);
after(() => client.shutdown());
const store = new MemcacheStore(client);

testStore({
  name: 'MemcacheStore',
  step: 1_000,
  fence: false,
  watch: false,
  create() {
    const second = connect(address);
    const more = Array.from({ length: 18 }, () => connect(address));
    const others = more.map((each) => new MemcacheStore(each));
    const close = () => {
      for (const each of [second, ...more]) each.shutdown();
    };
    return { store, other: new MemcacheStore(second), others, close };
  },
});

describe('memcached: whole seconds', { concurrency: true }, () => {
  for (const ttl of [500, 999, 1_000, 1_001, 2_000]) {
    test(`a life of ${ttl} ms is never shorter, at whatever part of a second it begins`, async () => {
      const lives = Array.from({ length: 10 }, async (_, index) => {
        await delay(index * 100);
        const name = `life ${ttl} ${index} ${process.pid}`;
        const lease = await tryAcquire(store, name, { ttl, renew: false });
        assert.ok(lease);
        const start = performance.now();
        await takeWhenFree(store, name, thief, ({ granted }) => {
          if (granted) assert.equal(lease.held, false, 'the server let go too early');
        });
        await store.release(name, thief);
        return performance.now() - start;
      });
      for (const life of await Promise.all(lives)) {
        assert.ok(life >= ttl && life <= ttl + 4_000, `${life} ms`);
      }
    });
  }

  test('the longest ttl is 30 days, less what rounding needs; the server takes it', async () => {
    assert.equal(store.maxTtl, (30 * 24 * 3_600 - 2) * 1_000);
    const name = `longest ${process.pid}`;
    await using lease = await tryAcquire(store, name, { ttl: store.maxTtl });
    await delay(1_100);
    assert.equal(await tryAcquire(store, name), null);
    await lease?.extend();
    await assert.rejects(tryAcquire(store, name, { ttl: store.maxTtl + 1 }), RangeError);
  });
});

describe('memcached: what is in the server', () => {
  test('the item is prefix + name and holds exactly the token', async () => {
    await using lease = await tryAcquire(store, 'plain');
    assert.equal(await itemOf(address, 'dlock:plain'), lease?.token);
  });

  test('a holder who uses the same classic pattern is respected', async () => {
    await say(address, 'add dlock:foreign 0 100 1\r\n1\r\n', /\r\n$/);
    assert.equal(await tryAcquire(store, 'foreign'), null);
    assert.equal(await store.release('foreign', 'f'), false);
    assert.equal(await itemOf(address, 'dlock:foreign'), '1');
    await say(address, 'delete dlock:foreign\r\n', /\r\n$/);
  });

  test('the prefix isolates; none is one, too', async () => {
    const [ours, theirs] = [
      new MemcacheStore(client, { prefix: 'ours:' }),
      new MemcacheStore(client, { prefix: '' }),
    ];
    for (const name of ['import', 'constructor', '__proto__', 'é']) {
      await using one = await tryAcquire(ours, name);
      await using two = await tryAcquire(theirs, name);
      assert.ok(one && two, name);
      assert.equal(await tryAcquire(theirs, name), null);
    }
  });

  test('keys up to 250 bytes are plain, longer ones hashed', async () => {
    const edge = 'n'.repeat(250 - 'dlock:'.length);
    await using plain = await tryAcquire(store, edge);
    await using hashed = await tryAcquire(store, `${edge}n`);
    assert.equal(await itemOf(address, `dlock:${edge}`), plain?.token);
    assert.ok(hashed);
  });

  test('2000 names of random bytes: all distinct, none leaves the prefix', async () => {
    await using server = await startMemcached();
    using client = connect(server.address);
    const store = new MemcacheStore(client, { timeout: 60_000 });
    const names = randomNames(2_000);
    const leases = await Promise.all(names.map((name) => tryAcquire(store, name)));
    assert.ok(leases.every((lease) => lease !== null));
    const keys = await allKeys(server.address);
    assert.equal(keys.length, 2_000);
    assert.ok(keys.every((key) => key.startsWith('dlock:')));
    const stats = await say(server.address, 'stats items\r\n', /END\r\n$/);
    const items = [...stats.matchAll(/:number (\d+)/g)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
    assert.equal(items, 2_000);
    assert.ok((await Promise.all(leases.map((lease) => lease?.release()))).every(Boolean));
  });
});

describe('memcached: trouble', { concurrency: true }, () => {
  test('evicted: told at the next renewal', async () => {
    await using server = await startMemcached();
    using client = connect(server.address);
    await using lease = await tryAcquire(new MemcacheStore(client), 'import', { ttl: 3_000 });
    assert.ok(lease);
    const aborted = once(lease.signal, 'abort');
    await say(server.address, 'flush_all\r\n', /OK/);
    await eventually('the loss is told', () => lease.signal.aborted);
    await aborted;
    assert.match(lease.signal.reason.message, /not ours/);
    assert.equal(await lease.release(), false);
  });

  test('restarted empty, the same cas number handed out again: our release harms nobody', async () => {
    await using server = await startMemcached();
    using mine = connect(server.address);
    await using lease = await tryAcquire(new MemcacheStore(mine), 'import', { ttl: 60_000 });
    assert.ok(lease);
    const casOf = async () =>
      /VALUE \S+ \d+ \d+ (\d+)/.exec(
        await say(server.address, 'gets dlock:import\r\n', /END/),
      )?.[1];
    const casBefore = await casOf();
    await server.kill();
    await server.restart();

    using theirs = connect(server.address);
    await using next = await tryAcquire(new MemcacheStore(theirs), 'import');
    assert.ok(next);
    assert.equal(await casOf(), casBefore, 'the number is the same again');
    await eventually('our client has connected again', async () => {
      await lease.extend().catch(() => {});
      return lease.signal.aborted;
    });
    assert.equal(await lease.release(), false);
    assert.equal(await itemOf(server.address, 'dlock:import'), next.token);
    await next.release();
  });

  test('run with -C, without cas numbers: refused, and the lock lapses', async () => {
    await using server = await startMemcached(['-C']);
    using client = connect(server.address);
    const lease = await tryAcquire(new MemcacheStore(client), 'import', { ttl: 3_000 });
    assert.ok(lease);
    await assert.rejects(lease.extend(), /-C/);
    await assert.rejects(lease.release(), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /-C/);
      return true;
    });
    await eventually('the lock lapses', async () => {
      return (await itemOf(server.address, 'dlock:import')) === undefined;
    });
  });

  test('full, with -M: errors, and the lock of the holder survives', async () => {
    await using server = await startMemcached([
      '-M',
      '-m',
      '2',
      '-o',
      'no_lru_crawler,no_lru_maintainer',
    ]);
    using client = connect(server.address);
    const store = new MemcacheStore(client);
    const lease = await tryAcquire(store, 'import', { ttl: 60_000 });
    assert.ok(lease);
    const token = 'a'.repeat(32);
    let full = false;
    for (let index = 0; !full; index += 500) {
      const lines = Array.from(
        { length: 500 },
        (_, offset) =>
          `set dlock:${String(index + offset).padStart(6, '0')} 0 0 32\r\n${token}\r\n`,
      );
      const replies = await say(
        server.address,
        lines.join(''),
        /^((STORED|SERVER_ERROR.*)\r\n){500}$/,
      );
      full = replies.includes('SERVER_ERROR');
    }
    await assert.rejects(tryAcquire(store, '000000x'), StoreError);
    await assert.rejects(lease.extend(), StoreError);
    await assert.rejects(lease.release(), StoreError);
    assert.equal(await itemOf(server.address, 'dlock:import'), lease.token);
  });

  test('frozen at tryAcquire: StoreError within the timeout; thawed: no orphan', async () => {
    await using server = await startMemcached();
    using client = connect(server.address, { cmdTimeout: 60_000 });
    const store = new MemcacheStore(client, { timeout: 400, ttl: 60_000 });
    await (await tryAcquire(store, 'import'))?.release();
    await server.freeze();
    const start = performance.now();
    await assert.rejects(tryAcquire(store, 'import'), StoreError);
    const waited = performance.now() - start;
    assert.ok(waited >= 390 && waited < 30_000, `${waited} ms`);
    await server.thaw();
    await eventually('the lock can be taken', async () => {
      const lease = await tryAcquire(store, 'import').catch(() => null);
      await lease?.release();
      return lease !== null;
    });
  });

  test('down: StoreError within the timeout, never null', async () => {
    await using server = await startMemcached();
    await server.kill();
    using client = connect(server.address);
    const start = performance.now();
    await assert.rejects(tryAcquire(new MemcacheStore(client), 'import'), StoreError);
    assert.ok(performance.now() - start < 5_000);
  });
});

test('memcached: 4 processes count to 400 together, no update lost', async () => {
  await countTogether(`memcache://${address}`, 4, 100);
});
