/** Clients that are set otherwise than by default, and those that were closed too early. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { MemcacheClient } from 'memcache-client';
import { BasicClientSideCache, createClient, createClientPool, RESP_TYPES } from 'redis';
import { createClient as createClient4 } from 'redis4';
import {
  BasicClientSideCache as BasicClientSideCache5,
  createClient as createClient5,
  createClientPool as createClientPool5,
} from 'redis5';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { itemOf } from '../memcached-protocol.js';
import { sharedMemcached, startRedis } from '../servers.js';

const server = await startRedis();
after(() => server.stop());
const { url } = server;
const admin = await createClient({ url }).connect();
after(() => admin.destroy());
const plain = new RedisStore(admin);

/** How many connections listen on a channel. */
const listeners = async (channel: string) =>
  Object.values(await admin.pubSubNumSub([channel])).reduce((sum, count) => sum + count, 0);

/** Waits behind a holder, is woken, and gives the lock back: the duplicate has come and gone. */
async function beWoken(
  store: LockStore,
  name: string,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<void> {
  const channel = `dlock:${name}`;
  await plain.acquire(name, thief, 60_000);
  const waiting = acquire(store, name);
  await eventually('it subscribes', async () => (await listeners(channel)) === 1);
  await meanwhile();
  await plain.release(name, thief);
  assert.equal(await (await waiting).release(), true);
  await eventually('nobody listens', async () => (await listeners(channel)) === 0);
}

/** Everything that a reply can be, in another type than by default. */
const mapped = {
  commandOptions: {
    typeMapping: {
      [RESP_TYPES.NUMBER]: String,
      [RESP_TYPES.DOUBLE]: String,
      [RESP_TYPES.SIMPLE_STRING]: Buffer,
      [RESP_TYPES.BLOB_STRING]: Buffer,
      [RESP_TYPES.MAP]: Map,
    },
  },
};

interface Opened {
  readonly store: LockStore;
  close(): unknown;
}

const inStrings: Record<string, () => Promise<Opened>> = {
  async 'RedisStore, node-redis 6 with other types'() {
    const client = createClient({ url, ...mapped });
    await client.connect();
    assert.equal(
      await client.sendCommand(['INCR', 'counter']).then((reply) => typeof reply),
      'string',
    );
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'RedisStore, node-redis 6 with other types and RESP 2'() {
    const client = createClient({ url, RESP: 2, ...mapped });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'RedisStore, node-redis 5 with other types'() {
    const client = createClient5({ url, ...mapped });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'RedisStore, a client of node-redis 6 made by withTypeMapping'() {
    const client = createClient({ url });
    await client.connect();
    const other = client.withTypeMapping(mapped.commandOptions.typeMapping);
    return { store: new RedisStore(other), close: () => client.destroy() };
  },
  async 'IoredisStore, ioredis 6 with stringNumbers'() {
    const client = new Redis(url, { stringNumbers: true });
    assert.equal(typeof (await client.incr('counter')), 'string');
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
  async 'IoredisStore, ioredis 6 with stringNumbers and RESP 3'() {
    const client = new Redis(url, { stringNumbers: true, protocol: 3, replyMapping: 'resp3' });
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
  async 'IoredisStore, ioredis 5 with stringNumbers'() {
    const client = new Redis5(url, { stringNumbers: true });
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
};
const inStringsWithoutWaking: Record<string, () => Promise<Opened>> = {
  async 'RedisStore, a pool of node-redis 6 with other types'() {
    const client = createClientPool({ url, ...mapped });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'RedisStore, a pool of node-redis 5 with other types'() {
    const client = createClientPool5({ url, ...mapped });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
};

describe('clients that give numbers as strings', () => {
  for (const [name, open] of Object.entries({ ...inStrings, ...inStringsWithoutWaking })) {
    test(`${name}: every operation works, and gives numbers`, async (t) => {
      const { store, close } = await open();
      t.after(close);
      const granted = await store.acquire('strings', 'a', 60_000);
      assert.ok(granted.granted && Number.isSafeInteger(granted.fence));
      assert.deepEqual(await store.acquire('strings', 'a', 60_000), granted);
      const refused = await store.acquire('strings', 'b', 60_000);
      assert.ok(!refused.granted && Number.isSafeInteger(refused.retryAfter));
      assert.equal(await store.extend('strings', 'b', 60_000), false);
      assert.equal(await store.extend('strings', 'a', 60_000), true);
      assert.equal(await store.release('strings', 'b'), false);
      assert.equal(await store.release('strings', 'a'), true);
      if (name in inStrings) await beWoken(store, 'strings');
    });
  }
});

for (const name of [
  'RedisStore, node-redis 6 with other types',
  'IoredisStore, ioredis 6 with stringNumbers',
]) {
  testStore({
    name,
    async create() {
      const [one, two] = [await inStrings[name]?.(), await inStrings[name]?.()];
      assert.ok(one && two);
      const close = () => [one, two].forEach((each) => void each.close());
      return { store: one.store, other: two.store, close };
    },
  });
}

/** A provider whose tokens change, as those of cloud services: counts who listens for the next. */
function countingProvider() {
  const provider = {
    type: 'streaming-credentials-provider' as const,
    listening: 0,
    most: 0,
    async subscribe() {
      provider.listening += 1;
      provider.most = Math.max(provider.most, provider.listening);
      const dispose = () => {
        provider.listening -= 1;
      };
      return [{ username: 'default', password: '' }, { dispose }] as [object, { dispose(): void }];
    },
    onReAuthenticationError() {},
  };
  return provider;
}

describe('what a duplicate of the client shares with it', () => {
  const caches = {
    'node-redis 6': {
      cache: () => new BasicClientSideCache(),
      open: (clientSideCache: BasicClientSideCache) =>
        createClient({ url, RESP: 3, clientSideCache }).connect(),
    },
    'node-redis 5': {
      cache: () => new BasicClientSideCache5(),
      open: (clientSideCache: BasicClientSideCache5) =>
        createClient5({ url, RESP: 3, clientSideCache }).connect(),
    },
  };
  for (const [name, { cache, open }] of Object.entries(caches)) {
    test(`${name}: the cache on the client's side keeps what it holds, and its counts`, async (t) => {
      const ours = cache();
      const client = await open(ours as never);
      t.after(() => client.destroy());
      await admin.set('cached', 'before');
      assert.equal(await client.get('cached'), 'before');
      assert.deepEqual([ours.size(), ours.stats().missCount], [1, 1]);
      // The client hears of the lock's own keys as well, which our scripts have read.
      const losses: string[] = [];
      ours.on('invalidate', (key) => losses.push(String(key)));

      await beWoken(new RedisStore(client as ReturnType<typeof createClient>), `cached ${name}`);
      assert.deepEqual([ours.size(), ours.stats().missCount], [1, 1]);
      assert.deepEqual(
        losses.filter((key) => !key.endsWith(`dlock:cached ${name}`)),
        [],
      );
      assert.equal(await client.get('cached'), 'before');
      assert.equal(ours.stats().hitCount, 1);

      // And it is still told of what others write.
      await admin.set('cached', 'after');
      await eventually('it is told', async () => (await client.get('cached')) === 'after');
    });
  }

  const clients = {
    'node-redis 6': createClient,
    'node-redis 5': createClient5,
  };
  for (const [name, create] of Object.entries(clients)) {
    test(`${name}: a provider of credentials is left once nobody waits`, async (t) => {
      const credentialsProvider = countingProvider();
      const client = await (create as typeof createClient)({
        url,
        name: 'shared',
        credentialsProvider: credentialsProvider as never,
      }).connect();
      t.after(() => client.destroy());
      assert.equal(credentialsProvider.listening, 1);
      await beWoken(new RedisStore(client), `provider ${name}`);
      assert.deepEqual([credentialsProvider.most, credentialsProvider.listening], [2, 1]);
      assert.equal(await client.clientGetName(), 'shared');
    });
  }

  type Create = (options?: { timeout: number }) => LockStore;
  const listened: Record<string, () => Promise<[NodeJS.EventEmitter, Create, () => unknown]>> = {
    async 'node-redis 6'() {
      const client = await createClient({ url }).connect();
      return [client, (options) => new RedisStore(client, options), () => client.destroy()];
    },
    async 'node-redis 5'() {
      const client = await createClient5({ url }).connect();
      return [client, (options) => new RedisStore(client, options), () => client.destroy()];
    },
    async 'node-redis 4'() {
      const client = createClient4({ url });
      await client.connect();
      return [client, (options) => new RedisStore(client, options), () => client.disconnect()];
    },
    async 'ioredis 6'() {
      const client = new Redis(url);
      await client.ping();
      return [client, (options) => new IoredisStore(client, options), () => client.disconnect()];
    },
    async 'ioredis 5'() {
      const client = new Redis5(url);
      await client.ping();
      return [client, (options) => new IoredisStore(client, options), () => client.disconnect()];
    },
  };
  for (const [name, open] of Object.entries(listened)) {
    test(`${name}: the user's listeners hear nothing of it, and none is added`, async (t) => {
      const [client, create, close] = await open();
      t.after(close);
      const heard: string[] = [];
      for (const event of [
        'connect',
        'ready',
        'end',
        'close',
        'reconnecting',
        'message',
        'error',
      ]) {
        client.on(event, () => heard.push(event));
      }
      const counts = () => client.eventNames().map((event) => client.listenerCount(event));
      const before = counts();
      await beWoken(create(), `heard ${name}`, () =>
        admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']),
      );
      assert.deepEqual(heard, []);
      assert.deepEqual(counts(), before);
    });

    test(`${name}: a duplicate that is given up while it connects ends as well`, async (t) => {
      const [, create, close] = await open();
      t.after(close);
      const connections = async () => (await admin.clientList()).length;
      const before = await connections();
      const watching = create({ timeout: 1 }).watch?.('given up', () => {});
      // The time limit is over before the event loop can hear that there is a connection.
      const start = performance.now();
      while (performance.now() - start < 20);
      await assert.rejects(async () => watching, /not subscribed within 1 ms/);
      await delay(200);
      await eventually('it is gone', async () => (await connections()) === before);
    });
  }
});

const closed: Record<string, () => Promise<Opened>> = {
  async 'node-redis 6, closed'() {
    const client = await createClient({ url }).connect();
    return { store: new RedisStore(client), close: () => client.close() };
  },
  async 'node-redis 6, destroyed'() {
    const client = await createClient({ url }).connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'node-redis 5, closed'() {
    const client = await createClient5({ url }).connect();
    return { store: new RedisStore(client), close: () => client.close() };
  },
  async 'node-redis 5, destroyed'() {
    const client = await createClient5({ url }).connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'node-redis 4, quit'() {
    const client = createClient4({ url });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.quit() };
  },
  async 'node-redis 4, disconnected'() {
    const client = createClient4({ url });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.disconnect() };
  },
  async 'a pool of node-redis 6'() {
    const client = createClientPool({ url });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.close() };
  },
  async 'a pool of node-redis 5'() {
    const client = createClientPool5({ url });
    await client.connect();
    return { store: new RedisStore(client), close: () => client.close() };
  },
  async 'ioredis 6, quit'() {
    const client = new Redis(url);
    return { store: new IoredisStore(client), close: () => client.quit() };
  },
  async 'ioredis 6, disconnected'() {
    const client = new Redis(url);
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
  async 'ioredis 5, quit'() {
    const client = new Redis5(url);
    return { store: new IoredisStore(client), close: () => client.quit() };
  },
};

describe('a client that was closed first', () => {
  for (const [name, open] of Object.entries(closed)) {
    test(`${name}: each operation is an outage at once, and leaving a block is none`, async () => {
      const { store, close } = await open();
      const released = await tryAcquire(store, `closed ${name}`, { ttl: 600_000 });
      const disposed = await tryAcquire(store, `disposed ${name}`, { ttl: 600_000 });
      assert.ok(released && disposed);
      const waiting = acquire(store, `closed ${name}`);
      await close();
      const start = performance.now();
      await assert.rejects(tryAcquire(store, 'other'), StoreError);
      await assert.rejects(released.extend(), StoreError);
      await assert.rejects(released.release(), StoreError);
      await disposed[Symbol.asyncDispose]();
      await assert.rejects(waiting, StoreError);
      assert.ok(performance.now() - start < 4_000, 'nothing waits for an answer');
      // Nothing was given back: the locks lapse by themselves.
      assert.equal(await admin.get(`dlock:disposed ${name}`), disposed.token);
    });
  }

  test('memcache-client connects again by itself: the locks are given back', async (t) => {
    const address = await sharedMemcached();
    const client = new MemcacheClient({ server: address });
    t.after(() => client.shutdown());
    const store = new MemcacheStore(client);
    const [released, disposed] = [
      await tryAcquire(store, 'closed'),
      await tryAcquire(store, 'disposed'),
    ];
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
