/** RedisStore, IoredisStore and GlideStore on a real Redis Cluster: three masters, three replicas. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { GlideClusterClient } from '@valkey/valkey-glide';
import { acquire, type LockStore, StoreError, settled, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { GlideStore } from 'dlock-js/valkey-glide';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5 } from 'ioredis5';
import { Cluster as ValkeyCluster } from 'iovalkey';
import { BasicPooledClientSideCache, createCluster, RESP_TYPES } from 'redis';
import { createCluster as createCluster4 } from 'redis4';
import { createCluster as createCluster5 } from 'redis5';
import { eventually, slack, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { randomNames } from '../support/random-names.js';
import { documentedRights } from '../support/rights.js';
import { startCluster } from '../support/servers/cluster.js';
import { ask } from '../support/servers/ports.js';

const servers = await startCluster();
after(() => servers.stop());
const nodes = servers.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
const rootNodes = [{ url: servers.url }];

const numbersAsStrings = { [RESP_TYPES.NUMBER]: String };

async function nodeRedis() {
  const client = createCluster({ rootNodes });
  client.on('error', () => {});
  await client.connect();
  return { store: new RedisStore(client), client, close: () => client.destroy() };
}

/** It writes into the description of the nodes, so it has one of its own. */
async function nodeRedis4() {
  const client = createCluster4({ rootNodes: [{ url: servers.url }] });
  client.on('error', () => {});
  await client.connect();
  return { store: new RedisStore(client), client, close: () => client.disconnect() };
}

async function nodeRedis5() {
  const client = createCluster5({ rootNodes });
  client.on('error', () => {});
  await client.connect();
  return { store: new RedisStore(client), client, close: () => client.destroy() };
}

async function ioredis() {
  const client = new Cluster(nodes);
  return { store: new IoredisStore(client), client, close: () => client.disconnect() };
}

async function ioredis5() {
  const client = new Cluster5(nodes);
  return { store: new IoredisStore(client), client, close: () => client.disconnect() };
}

async function iovalkey() {
  const client = new ValkeyCluster(nodes);
  return { store: new IoredisStore(client), close: () => client.disconnect() };
}

async function glide() {
  const open = () => GlideClusterClient.createClient({ addresses: nodes });
  const [client, listener] = await Promise.all([open(), open()]);
  const close = () => {
    client.close();
    listener.close();
  };
  return { store: new GlideStore(client, { listener }), close };
}

/** The same clients, set so that numbers come as strings. */
const inStrings: Record<string, Open> = {
  async 'node-redis 6'() {
    const client = createCluster({ rootNodes, commandOptions: { typeMapping: numbersAsStrings } });
    client.on('error', () => {});
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'node-redis 5'() {
    const client = createCluster5({ rootNodes, commandOptions: { typeMapping: numbersAsStrings } });
    client.on('error', () => {});
    await client.connect();
    return { store: new RedisStore(client), close: () => client.destroy() };
  },
  async 'ioredis 6'() {
    const client = new Cluster(nodes, { redisOptions: { stringNumbers: true } });
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
  async 'ioredis 5'() {
    const client = new Cluster5(nodes, { redisOptions: { stringNumbers: true } });
    return { store: new IoredisStore(client), close: () => client.disconnect() };
  },
};

type Open = () => Promise<{ store: LockStore; close(): unknown }>;

function testCluster(name: string, open: Open, skip: Record<string, string> = {}): void {
  testStore({
    name,
    queue: true,
    sharing: true,
    skip,
    cases: 'essential',
    async create() {
      const [one, two] = [await open(), await open()];
      const close = async () => {
        await one.close();
        await two.close();
      };
      return { store: one.store, other: two.store, close };
    },
  });
}

const clients: Record<string, Open> = {
  'RedisStore, a cluster of node-redis 6': nodeRedis,
  'IoredisStore, a Cluster of ioredis 6': ioredis,
  'IoredisStore, a Cluster of iovalkey': iovalkey,
  'GlideStore, a GlideClusterClient': glide,
};
for (const [name, open] of Object.entries(clients)) testCluster(name, open);
testCluster('RedisStore, a cluster of node-redis 4', nodeRedis4, {
  'any text is a name, and different texts are different locks':
    'not where {} stands before another {: see the test of that',
});

/** How often any node has sent a client on to another. */
async function redirections(): Promise<number> {
  const answers = nodes.map(({ port }) => ask(port, 'INFO errorstats'));
  const counts = (await Promise.all(answers)).map(
    (answer) => /^errorstat_MOVED:count=(\d+)/m.exec(answer ?? '')?.[1] ?? 0,
  );
  return counts.reduce<number>((sum, count) => sum + Number(count), 0);
}

/** How many connections listen on a channel, on all nodes together. */
async function listeners(client: Cluster, channel: string): Promise<number> {
  const answers = client.nodes().map((node) => node.pubsub('NUMSUB', channel));
  const counts = (await Promise.all(answers)) as [string, number][];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

describe('cluster', () => {
  const braces = [
    '{',
    '}',
    '{}',
    '{}x',
    '}{',
    '{a}',
    'x{a}y',
    '{}{a}',
    'a}b',
    '{{a}}',
    '{é}',
    'é🔒',
  ];
  const names = [...braces, ...randomNames(100)];

  for (const [name, open] of Object.entries(clients)) {
    test(`${name}: lock and fence lie in one slot, whatever the name`, async () => {
      const { store, close } = await open();
      const leases = await Promise.all(names.map((each) => tryAcquire(store, each)));
      for (const [index, lease] of leases.entries()) {
        assert.ok(Number(lease?.fence) > 0, JSON.stringify(names[index]));
      }
      assert.ok((await Promise.all(leases.map((lease) => lease?.release()))).every(Boolean));
      await close();
    });
  }

  test('who waits is woken, whichever nodes and clients the two use', async () => {
    const all = [await nodeRedis(), await nodeRedis4(), await ioredis()];
    const stores: LockStore[] = all.map(({ store }) => store);
    const observer = (await ioredis()).client;
    const pairs = stores.flatMap((holder) => stores.map((waiter) => [holder, waiter] as const));
    for (const [index, [holder, waiter]] of pairs.entries()) {
      const lock = `woken ${index}`;
      await holder.acquire(lock, thief, 60_000);
      const waiting = acquire(waiter, lock);
      await eventually(
        'it subscribes',
        async () => (await listeners(observer, `dlock:${lock}`)) === 1,
      );
      await holder.release(lock, thief);
      const start = performance.now();
      await (await waiting).release();
      const waited = performance.now() - start;
      assert.ok(waited < slack, `${waited} ms`);
      await eventually(
        'nobody listens',
        async () => (await listeners(observer, `dlock:${lock}`)) === 0,
      );
    }
    for (const client of all) client.close();
    observer.disconnect();
  });

  test('a key prefix of the client, which parts lock and fence, is an error and leaves nothing', async () => {
    const client = createCluster({ rootNodes, keyPrefix: 'tenant:' });
    await client.connect();
    const attempt = tryAcquire(new RedisStore(client), 'import');
    await assert.rejects(attempt, (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /CROSSSLOT/);
      return true;
    });
    assert.equal(await client.exists('dlock:import'), 0);
    client.destroy();
    assert.throws(() => new IoredisStore(new Cluster([], { lazyConnect: true, keyPrefix: 'x:' })), {
      name: 'RangeError',
      message: /"x:"/,
    });
  });

  test('a user with no other rights than the listed ones is enough', async (t) => {
    const admins = nodes.map(({ port }) => new Redis(port));
    t.after(() => admins.forEach((admin) => void admin.disconnect()));
    for (const right of await documentedRights()) {
      for (const admin of admins) await admin.call('ACL', ...right);
    }
    const user = { username: 'dlock', password: 'secret' };
    const nodeRedis = createCluster({ rootNodes, defaults: user });
    t.after(() => nodeRedis.destroy());
    await nodeRedis.connect();
    const ioredis = new Cluster(nodes, { redisOptions: user });
    t.after(() => ioredis.disconnect());
    const [one, two] = [new RedisStore(nodeRedis), new IoredisStore(ioredis)];
    for (const [holder, waiter] of [
      [one, two],
      [two, one],
    ] as const) {
      const first = await acquire(holder, 'rights');
      await first.extend();
      const waiting = acquire(waiter, 'rights');
      await eventually('it subscribes', async () => {
        const counts = admins.map((admin) => admin.pubsub('CHANNELS', 'dlock:rights'));
        return (await Promise.all(counts)).flat().length === 1;
      });
      assert.equal(await first.release(), true);
      assert.equal(await (await waiting).release(), true);
    }
    // ioredis would like to name its connections, and does not mind if it may not.
    const logs = await Promise.all(admins.map((admin) => admin.call('ACL', 'LOG')));
    const denied = (logs.flat() as string[][]).map((entry) => entry[entry.indexOf('object') + 1]);
    assert.deepEqual(
      denied.filter((object) => object !== 'client|setname'),
      [],
    );
  });

  for (const [name, open] of Object.entries(inStrings)) {
    test(`${name} set to give numbers as strings: every operation works`, async (t) => {
      const { store, close } = await open();
      t.after(close);
      await using lease = await tryAcquire(store, 'strings');
      assert.ok(Number.isSafeInteger(lease?.fence));
      assert.equal(await tryAcquire(store, 'strings'), null);
      await lease?.extend();
      assert.equal(await lease?.release(), true);
    });
  }

  test('a cache on the client’s side keeps what it holds while somebody is woken', async (t) => {
    const clientSideCache = new BasicPooledClientSideCache();
    const client = createCluster({ rootNodes, RESP: 3, clientSideCache });
    client.on('error', () => {});
    await client.connect();
    t.after(() => client.destroy());
    const { store: holder, client: observer, close } = await ioredis();
    t.after(close);
    await client.set('cached', 'value');
    assert.equal(await client.get('cached'), 'value');
    assert.equal(clientSideCache.size(), 1);
    await holder.acquire('cached', thief, 60_000);
    const waiting = acquire(new RedisStore(client), 'cached');
    await eventually('it listens', async () => (await listeners(observer, 'dlock:cached')) === 1);
    await holder.release('cached', thief);
    await (await waiting).release();
    await eventually('it left', async () => (await listeners(observer, 'dlock:cached')) === 0);
    assert.equal(clientSideCache.size(), 1);
    assert.equal(await client.get('cached'), 'value');
    assert.equal(clientSideCache.stats().hitCount, 1);
  });

  test('all clients, the older ones too, exclude each other and go to the right node at once', async (t) => {
    const stores: LockStore[] = [];
    for (const open of [nodeRedis, nodeRedis5, nodeRedis4, ioredis, ioredis5]) {
      const { store, close } = await open();
      t.after(close);
      stores.push(store);
    }
    const before = await redirections();
    for (const store of stores) {
      for (const name of ['one', 'two', 'three', 'four', 'five']) {
        await using lease = await tryAcquire(store, name);
        await lease?.extend();
        for (const other of stores) assert.equal(await tryAcquire(other, name), null);
        assert.equal(await lease?.release(), true);
      }
    }
    assert.equal(await redirections(), before);
  });

  test('node-redis 4 and 5 ask the wrong node where {} stands before another {: an error', async (t) => {
    for (const open of [nodeRedis4, nodeRedis5]) {
      const { store, close } = await open();
      // A client that is closed while a node sends it on connects to all of them, and stays.
      t.after(async () => {
        await settled(store);
        await close();
      });
      const before = await redirections();
      const attempt = tryAcquire(store, '{}{a}', { ttl: 1_000 });
      await assert.rejects(attempt, { name: 'StoreError', message: /MOVED/ });
      assert.ok((await redirections()) > before, 'the nodes count them');
      await using lease = await tryAcquire(store, '{}a');
      assert.ok(lease);
    }
  });
});
