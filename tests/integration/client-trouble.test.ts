/** Clients that were closed too early, that have no connection, or whose user has few rights. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { acquire, StoreError, tryAcquire } from 'dlock-js';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';
import { MemcacheClient } from 'memcache-client';
import { createClient, createClientPool } from 'redis';
import { createClientPool as createClientPool5 } from 'redis5';
import { eventually } from '../../src/testing/fixture.js';
import { type Connect, redisClients } from '../support/clients.js';
import { itemOf } from '../support/memcached-talk.js';
import { documentedRights } from '../support/rights.js';
import { sharedMemcached, sharedRedis, startRedis } from '../support/servers.js';

const url = await sharedRedis();
const observer = await createClient({ url }).connect();
after(() => observer.destroy());

const pools: Record<string, Connect> = {
  async 'a pool of node-redis 6'(to) {
    const client = createClientPool({ url: to });
    await client.connect();
    return {
      client,
      createStore: (options) => new RedisStore(client, options),
      close: () => client.close(),
      [Symbol.asyncDispose]: async () => client.destroy(),
    };
  },
  async 'a pool of node-redis 5'(to) {
    const client = createClientPool5({ url: to });
    await client.connect();
    return {
      client,
      createStore: (options) => new RedisStore(client, options),
      close: () => client.close(),
      [Symbol.asyncDispose]: async () => client.destroy(),
    };
  },
};

describe('a client that was closed first', () => {
  for (const [name, connect] of Object.entries({ ...redisClients, ...pools })) {
    for (const way of ['close', Symbol.asyncDispose] as const) {
      const closed = way === 'close' ? 'closed' : 'ended at once';
      test(`${name}, ${closed}: each operation is an outage, leaving a block is none`, async () => {
        const client = await connect(url);
        const store = client.createStore();
        const [one, two] = [`one ${name} ${closed}`, `two ${name} ${closed}`];
        const released = await tryAcquire(store, one, { ttl: 600_000 });
        const disposed = await tryAcquire(store, two, { ttl: 600_000 });
        assert.ok(released && disposed);
        const waiting = acquire(store, one);
        await client[way]();
        const start = performance.now();
        await assert.rejects(tryAcquire(store, 'other'), StoreError);
        await assert.rejects(released.extend(), StoreError);
        await assert.rejects(released.release(), StoreError);
        await disposed[Symbol.asyncDispose]();
        await assert.rejects(waiting, StoreError);
        assert.ok(performance.now() - start < 4_000, 'nothing waits for an answer');
        // Nothing was given back: the locks lapse by themselves.
        assert.equal(await observer.get(`dlock:${two}`), disposed.token);
      });
    }
  }

  test('memcache-client connects again by itself: the locks are given back', async (t) => {
    const address = await sharedMemcached();
    const client = new MemcacheClient({ server: address });
    t.after(() => client.shutdown());
    const store = new MemcacheStore(client);
    const released = await tryAcquire(store, 'closed');
    const disposed = await tryAcquire(store, 'disposed');
    client.shutdown();
    await released?.extend();
    assert.equal(await released?.release(), true);
    await disposed?.[Symbol.asyncDispose]();
    assert.equal(await itemOf(address, 'dlock:closed'), undefined);
    assert.equal(await itemOf(address, 'dlock:disposed'), undefined);
    await using again = await tryAcquire(store, 'closed');
    assert.ok(again);
  });
});

describe('a request without an answer', () => {
  for (const [name, connect] of Object.entries(redisClients)) {
    test(`${name}: the error says whether the client has a connection`, async () => {
      await using server = await startRedis();
      await using client = await connect(server.url);
      const store = client.createStore({ timeout: 300 });
      assert.equal(store.connected, true);

      await server.freeze();
      await assert.rejects(tryAcquire(store, 'import'), { message: /: no answer within 300 ms$/ });
      await server.thaw();

      await server.kill();
      await eventually('the client notices', () => store.connected === false);
      await assert.rejects(tryAcquire(store, 'import'), {
        name: 'StoreError',
        message:
          'The store failed to acquire lock "import": no answer within 300 ms; the client is not connected',
      });
    });
  }

  test('a pool does not say', () => {
    assert.equal(new RedisStore(createClientPool({ url })).connected, undefined);
  });
});

describe('a user with the listed rights alone, in database 3', () => {
  for (const [name, connect] of Object.entries(redisClients)) {
    test(`${name}: takes, extends and releases locks, and is woken`, async () => {
      await using server = await startRedis();
      await using scene = await sceneOn(server.url);
      await using client = await connect(scene.asUser);
      const [store, other] = [client.createStore(), client.createStore()];
      const first = await acquire(store, 'import');
      assert.equal(await scene.inThree.get('dlock:import'), first.token);
      await first.extend();
      assert.equal(await tryAcquire(other, 'import'), null);
      const waiting = acquire(other, 'import');
      await eventually('it subscribes', async () => {
        return (await scene.admin.pubSubChannels()).includes('dlock:import');
      });
      assert.equal(await first.release(), true);
      assert.equal(await (await waiting).release(), true);
      assert.deepEqual(await scene.denied(), []);
    });
  }

  for (const [name, connect] of Object.entries(redisClients)) {
    const outcome = name.startsWith('ioredis') ? 'locks in database 0' : 'does not connect';
    test(`${name}: without the right to choose the database, it ${outcome}`, async () => {
      await using server = await startRedis();
      await using scene = await sceneOn(server.url);
      await scene.admin.sendCommand(['ACL', 'SETUSER', 'dlock', '-select']);
      const connecting = connect(scene.asUser);
      await eventually('it was denied', async () => (await scene.denied()).includes('select'));
      if (name.startsWith('ioredis')) {
        await using client = await connecting;
        await using lease = await tryAcquire(client.createStore(), 'import');
        assert.equal(await scene.admin.get('dlock:import'), lease?.token);
        return;
      }
      // It tries again and again; with the right, it succeeds.
      await scene.admin.sendCommand(['ACL', 'SETUSER', 'dlock', '+select']);
      await using client = await connecting;
      await using lease = await tryAcquire(client.createStore(), 'import');
      assert.equal(await scene.inThree.get('dlock:import'), lease?.token);
    });
  }
});

/** The user of the documented rights, its URL with database 3, and clients that look on. */
async function sceneOn(to: string) {
  const admin = await createClient({ url: to }).connect();
  const inThree = await createClient({ url: to, database: 3 }).connect();
  for (const client of [admin, inThree]) client.on('error', () => {});
  for (const right of await documentedRights()) await admin.sendCommand(['ACL', ...right]);
  return {
    asUser: to.replace('redis://', 'redis://dlock:secret@').concat('/3'),
    admin,
    inThree,
    /** What was denied, but for what clients say of themselves, which they can do without. */
    async denied(): Promise<string[]> {
      const log = (await admin.sendCommand(['ACL', 'LOG'])) as unknown as { object: string }[];
      return log.map(({ object }) => object).filter((object) => !object.startsWith('client|'));
    },
    async [Symbol.asyncDispose]() {
      admin.destroy();
      inThree.destroy();
    },
  };
}
