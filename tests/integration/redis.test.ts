/** RedisStore, on real servers, with the three versions of node-redis that it supports. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { acquire, LeaseLostError, StoreError, tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createClient, createClientPool, TimeoutError } from 'redis';
import { createClient as createClient4 } from 'redis4';
import { createClient as createClient5 } from 'redis5';
import { eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { callsIn, scriptCallsIn } from '../support/commandstats.js';
import { randomNames } from '../support/random-names.js';
import { documentedRights } from '../support/rights.js';
import { sharedRedis, startRedis } from '../support/servers.js';
import { countTogether } from './many-processes.js';

const url = await sharedRedis();

/** A connected client that reports its errors through its commands, and ends with its block. */
async function connect(options: Parameters<typeof createClient>[0] = { url }) {
  const client = createClient(options);
  client.on('error', () => {});
  await client.connect();
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      if (client.isOpen) client.destroy();
    },
  });
}

const raw = await connect();
after(() => raw.destroy());

const connectors = {
  6: () => createClient({ url }).connect(),
  5: () => createClient5({ url }).connect(),
  4: () => createClient4({ url }).connect(),
};

for (const [version, connectClient] of Object.entries(connectors)) {
  testStore({
    name: `RedisStore, node-redis ${version}`,
    cases: version === '6' ? 'all' : 'essential',
    queue: true,
    sharing: true,
    async create() {
      const [one, two] = [await connectClient(), await connectClient()];
      const more = await Promise.all(Array.from({ length: 18 }, () => connectClient()));
      const others = more.map((client) => new RedisStore(client));
      const close = async () => {
        for (const client of [one, two, ...more]) await client.disconnect();
      };
      return { store: new RedisStore(one), other: new RedisStore(two), others, close };
    },
  });
}

testStore({
  name: 'RedisStore, a pool of node-redis 6',
  sharing: true,
  watch: false,
  cases: 'essential',
  async create() {
    const pools = [createClientPool({ url }), createClientPool({ url })] as const;
    for (const pool of pools) await pool.connect();
    const [store, other] = [new RedisStore(pools[0]), new RedisStore(pools[1])];
    return { store, other, close: () => pools.forEach((pool) => void pool.destroy()) };
  },
});

describe('redis: what is in the database', () => {
  const store = new RedisStore(raw, { ttl: 60_000 });

  test('the key is prefix + name, holds exactly the token, and lives for the ttl', async () => {
    await using lease = await tryAcquire(store, 'plain');
    assert.equal(await raw.get('dlock:plain'), lease?.token);
    const life = await raw.pTTL('dlock:plain');
    assert.ok(life > 55_000 && life <= 60_000, `${life}`);
  });

  test('a holder of the same well-known pattern is respected, with a life or without', async () => {
    await raw.set('dlock:foreign', 'somebody', { expiration: { type: 'PX', value: 5_000 } });
    assert.equal(await tryAcquire(store, 'foreign'), null);
    const attempt = await store.acquire('foreign', 'a', 1_000);
    assert.ok(!attempt.granted && Number(attempt.retryAfter) > 4_000);

    await raw.set('dlock:foreign', 'somebody');
    assert.deepEqual(await store.acquire('foreign', 'a', 1_000), {
      granted: false,
      retryAfter: undefined,
    });
    assert.equal(await raw.get('dlock:foreign'), 'somebody');
    await raw.del('dlock:foreign');
  });

  test('a key of another type is an error, and undamaged', async () => {
    await raw.hSet('dlock:hash', 'field', 'value');
    await assert.rejects(tryAcquire(store, 'hash'), /WRONGTYPE/);
    await assert.rejects(store.extend('hash', 'a', 1_000), /WRONGTYPE/);
    await assert.rejects(store.release('hash', 'a'), /WRONGTYPE/);
    assert.equal(await raw.hGet('dlock:hash', 'field'), 'value');
    await raw.del('dlock:hash');
  });

  test('the prefix isolates', async () => {
    const ours = new RedisStore(raw, { prefix: 'ours:' });
    const theirs = new RedisStore(raw, { prefix: 'theirs:' });
    await using one = await tryAcquire(ours, 'import');
    await using two = await tryAcquire(theirs, 'import');
    assert.ok(one && two);
    assert.equal(await raw.get('ours:import'), one.token);
  });

  test("the client's own database and key prefix are honoured", async () => {
    await using client = await connect({ url, database: 3, keyPrefix: 'tenant:' });
    await using lease = await tryAcquire(new RedisStore(client), 'import');
    await using reader = await connect({ url, database: 3 });
    assert.equal(await reader.get('tenant:dlock:import'), lease?.token);
  });

  test('a script cache that is flushed goes unnoticed', async () => {
    await using lease = await tryAcquire(store, 'flushed');
    await raw.scriptFlush();
    await lease?.extend();
    await raw.scriptFlush();
    assert.equal(await lease?.release(), true);
  });

  test('a cycle is two requests, and leaves no lock', async () => {
    // On a server of its own: elsewhere what other tests left in doubt is still being undone.
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    await (await tryAcquire(new RedisStore(client), 'counted'))?.release();
    assert.equal(scriptCallsIn(await client.info('commandstats')), 2);
    assert.equal(await client.exists('dlock:counted'), 0);
  });

  test('a script is sent once, and run by its digest from then on, until the server forgets it', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    const store = new RedisStore(client);
    const cycle = async () =>
      assert.equal(await (await tryAcquire(store, 'digest'))?.release(), true);
    const calls = async () => {
      const stats = await client.info('commandstats');
      return [callsIn(stats, 'eval'), callsIn(stats, 'evalsha')];
    };
    for (let round = 0; round < 5; round++) await cycle();
    assert.deepEqual(await calls(), [2, 8]);
    await client.scriptFlush();
    await cycle();
    assert.deepEqual(await calls(), [4, 10]);
  });
});

describe('redis: fences', () => {
  const store = new RedisStore(raw);
  const fenceKey = '\0dlock:fenced';

  async function nextFence(): Promise<number> {
    await using lease = await tryAcquire(store, 'fenced');
    return Number(lease?.fence);
  }

  test('a fence is the server time in microseconds, stored digit by digit, with an expiry', async () => {
    const fence = await nextFence();
    assert.equal(await raw.get(fenceKey), `${fence}`);
    assert.ok(Math.abs(fence / 1_000 - Date.now()) < 60_000);
    const life = await raw.pTTL(fenceKey);
    assert.ok(life > 86_000_000 && life <= 86_430_000, `${life}`);
  });

  test('a counter ahead of the clock goes on by one', async () => {
    const ahead = (Date.now() + 3_600_000) * 1_000 + 123;
    await raw.set(fenceKey, `${ahead}`);
    assert.equal(await nextFence(), ahead + 1);
    assert.equal(await nextFence(), ahead + 2);
    await raw.del(fenceKey);
  });

  test('a counter that was lost does not go back', async () => {
    const before = await nextFence();
    await raw.del(fenceKey);
    assert.ok((await nextFence()) > before);
  });

  test('a counter that holds no number is an error, and leaves no lock', async () => {
    await raw.set(fenceKey, 'rubbish');
    await assert.rejects(tryAcquire(store, 'fenced'), StoreError);
    await eventually(
      'the lock is given back',
      async () => (await raw.exists('dlock:fenced')) === 0,
    );
    await raw.del(fenceKey);
  });
});

describe('redis: names', () => {
  test('2000 names of random bytes: all distinct, none leaves the prefix', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    const store = new RedisStore(client, { timeout: 60_000 });
    const names = randomNames(2_000);
    const leases = await Promise.all(names.map((name) => tryAcquire(store, name)));
    assert.ok(leases.every((lease) => lease !== null));
    const keys = await client.keys('*');
    assert.equal(keys.length, 4_000);
    assert.equal(keys.filter((key) => key.startsWith('dlock:')).length, 2_000);
    assert.equal(keys.filter((key) => key.startsWith('\0dlock:')).length, 2_000);
    assert.ok((await Promise.all(leases.map((lease) => lease?.release()))).every(Boolean));
    assert.equal((await client.keys('dlock:*')).length, 0);
  });

  test('lock, fence and queue lie in one slot of a cluster, whatever the name', async () => {
    const nodes = `dlock-nodes-${process.pid}.conf`;
    await using server = await startRedis([
      '--cluster-enabled',
      'yes',
      '--cluster-config-file',
      nodes,
    ]);
    after(() => rm(join(tmpdir(), nodes), { force: true }));
    await using client = await connect({ url: server.url });
    const slot = async (key: string) =>
      Number(await client.sendCommand(['CLUSTER', 'KEYSLOT', key]));
    const braces = ['{', '}', '{}', '{}x', '}{', '{a}', 'x{a}y}', '{}{a}', 'a}b', '{{a}}', '{é}'];
    const own = braces.map((name) => `\0${name}`);
    for (const name of [...braces, ...own, ...randomNames(300)]) {
      const key = `dlock:${name}`;
      for (const beside of ['\0', '\0\0\0\0', '\0\0\0\0\0']) {
        assert.equal(await slot(beside + key), await slot(key), JSON.stringify(name));
      }
    }
  });
});

describe('redis: trouble', () => {
  test('a user who may only run our scripts and touch our keys is enough', async () => {
    await using server = await startRedis();
    await using admin = await connect({ url: server.url });
    const [least = [], waking = []] = await documentedRights();
    await admin.sendCommand(['ACL', ...least]);
    await using client = await connect({ url: server.url, username: 'dlock', password: 'secret' });
    const store = new RedisStore(client);
    const lease = await tryAcquire(store, 'import');
    assert.equal(await tryAcquire(store, 'import'), null);
    await lease?.extend();
    assert.equal(await lease?.release(), true);
    const readers = [1, 2].map(() => acquire(store, 'import', { limit: Infinity, wait: 0 }));
    for (const reader of await Promise.all(readers)) {
      await reader.extend();
      assert.equal(await reader.release(), true);
    }

    // With the rights to publish and subscribe, waiting processes are woken: also one that has begun to wait.
    await store.acquire('import', thief, 60_000);
    const waiting = acquire(store, 'import');
    const denied = async () => {
      const entries = (await admin.sendCommand(['ACL', 'LOG'])) as { object: string }[];
      return new Set(entries.map(({ object }) => object));
    };
    await eventually('it may not subscribe', async () => (await denied()).has('subscribe'));
    await admin.sendCommand(['ACL', ...waking]);
    await eventually(
      'it subscribes',
      async () => (await admin.pubSubChannels('dlock:import')).length === 1,
    );
    await store.release('import', thief);
    assert.equal(await (await waiting).release(), true);
    const reader = await acquire(store, 'import', { limit: Infinity });
    const writer = acquire(store, 'import');
    await reader.release();
    assert.equal(await (await writer).release(), true);
    // Before that, the release was not allowed to publish, nor the one that waited to subscribe; that was all.
    assert.deepEqual(await denied(), new Set(['publish', 'subscribe']));
  });

  test('killed under a held lease: the signal aborts before the key can have expired', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    const start = performance.now();
    await using lease = await tryAcquire(new RedisStore(client), 'import', { ttl: 6_000 });
    assert.ok(lease);
    const { signal } = lease;
    let toldAt = Infinity;
    signal.addEventListener('abort', () => {
      toldAt = performance.now();
    });
    await server.kill();
    await eventually('the loss is told', () => toldAt < Infinity);
    assert.ok(toldAt - start < 6_000);
    assert.ok(signal.reason instanceof LeaseLostError);
    assert.ok(signal.reason.cause instanceof StoreError);
  });

  test('frozen under a held lease: told before another can take the lock once it thaws', async () => {
    await using server = await startRedis();
    await using mine = await connect({ url: server.url });
    await using theirs = await connect({ url: server.url });
    await using lease = await tryAcquire(new RedisStore(mine), 'import', { ttl: 3_000 });
    assert.ok(lease);
    let toldAt = Infinity;
    lease.signal.addEventListener('abort', () => {
      toldAt = performance.now();
    });
    await server.freeze();
    await eventually('the loss is told', () => toldAt < Infinity);
    await server.thaw();
    await takeWhenFree(new RedisStore(theirs), 'import', thief);
    assert.ok(toldAt < performance.now());
    assert.equal(await theirs.get('dlock:import'), thief);
    assert.equal(await lease.release(), false);
    assert.equal(await theirs.get('dlock:import'), thief);
  });

  test('frozen at tryAcquire: StoreError within the timeout; thawed: no orphan', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    const store = new RedisStore(client, { timeout: 400, ttl: 60_000 });
    await server.freeze();
    const start = performance.now();
    await assert.rejects(tryAcquire(store, 'import'), StoreError);
    const waited = performance.now() - start;
    assert.ok(waited >= 390 && waited < 4_000, `${waited} ms`);
    await server.thaw();
    await using other = await connect({ url: server.url });
    await eventually('the lock can be taken', async () => {
      await using lease = await tryAcquire(new RedisStore(other), 'import');
      return lease !== null;
    });
  });

  test('down at tryAcquire: StoreError within the timeout, never null; up again: no orphan', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    const store = new RedisStore(client, { timeout: 500, ttl: 60_000 });
    await server.kill();
    const start = performance.now();
    await assert.rejects(tryAcquire(store, 'import'), StoreError);
    assert.ok(performance.now() - start < 4_000);
    await server.restart();
    await eventually('the client, which queued the request, is connected', () => client.isReady);
    await eventually('the lock can be taken', async () => {
      const lease = await tryAcquire(store, 'import').catch(() => null);
      await lease?.release();
      return lease !== null;
    });
  });

  test('restarted empty while held: told at the next renewal, and the release harms nobody', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url });
    await using lease = await tryAcquire(new RedisStore(client), 'import', { ttl: 3_000 });
    assert.ok(lease);
    const { signal } = lease;
    await server.kill();
    await server.restart();
    await using other = await connect({ url: server.url });
    await using next = await tryAcquire(new RedisStore(other), 'import');
    assert.ok(next);
    await eventually('the loss is told', () => signal.aborted);
    assert.equal(await lease.release(), false);
    assert.equal(await other.get('dlock:import'), next.token);
    await next.release();
  });

  test('while connected, no command pays for the time limit of the client', async (t) => {
    await using client = await connect();
    const limits = t.mock.method(AbortSignal, 'timeout');
    await using lease = await tryAcquire(new RedisStore(client), 'limit');
    await lease?.extend();
    assert.equal(await lease?.release(), true);
    assert.equal(limits.mock.callCount(), 0);
    await client.ping();
    assert.equal(limits.mock.callCount(), 1);
  });

  test('while not connected, the client drops what it could not send within its time limit', async () => {
    await using server = await startRedis();
    await using client = await connect({ url: server.url, commandOptions: { timeout: 100 } });
    await server.kill();
    await eventually('the client notices', () => !client.isReady);
    await assert.rejects(tryAcquire(new RedisStore(client), 'limit'), (error: StoreError) => {
      return error instanceof StoreError && error.cause instanceof TimeoutError;
    });
  });

  test('a closed client is an outage, not a refusal', async () => {
    await using client = await connect();
    const store = new RedisStore(client);
    await client.close();
    await assert.rejects(tryAcquire(store, 'import'), StoreError);
  });
});

test('redis: 4 processes count to 400 together, no update lost, fences in order', async () => {
  await countTogether(url, 4, 100);
});
