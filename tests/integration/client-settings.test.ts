/** Clients that are set otherwise than by default, and what a duplicate of a client shares with it. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type LockStore } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { BasicClientSideCache, createClient, createClientPool, RESP_TYPES } from 'redis';
import {
  BasicClientSideCache as BasicClientSideCache5,
  createClient as createClient5,
  createClientPool as createClientPool5,
} from 'redis5';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { redisClients } from '../support/clients.js';
import { passOn, startProxy } from '../support/proxy/proxy.js';
import { startRedis } from '../support/servers.js';

const server = await startRedis();
const { url } = server;
const admin = await createClient({ url }).connect();
after(async () => {
  admin.destroy();
  await server.stop();
});
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
    sharing: true,
    cases: 'essential',
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

  for (const [name, connect] of Object.entries(redisClients)) {
    test(`${name}: the user's listeners hear nothing of it, and none is added`, async () => {
      await using ours = await connect(url);
      const { client } = ours;
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
      await beWoken(ours.createStore(), `heard ${name}`, () =>
        admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']),
      );
      assert.deepEqual(heard, []);
      assert.deepEqual(counts(), before);
    });

    test(`${name}: a duplicate that is given up while it connects ends as well`, async () => {
      const wire = new EventEmitter();
      let holding = false;
      await using proxy = await startProxy(server.port, async (link) => {
        link.server.pause();
        if (holding) await once(wire, 'open');
        passOn(link);
      });
      await using ours = await connect(`redis://127.0.0.1:${proxy.port}`);
      const connections = async () => (await admin.clientList()).length;
      const before = await connections();
      holding = true;
      const watching = ours.createStore({ timeout: 50 }).watch?.('given up', () => {});
      await assert.rejects(async () => watching, /not subscribed within 50 ms/);
      wire.emit('open');
      await delay(200);
      await eventually('it is gone', async () => (await connections()) === before);
    });
  }
});
