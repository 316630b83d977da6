/** RedisStore and IoredisStore on a real Redis Cluster: three masters, three replicas. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { acquire, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5 } from 'ioredis5';
import { createCluster } from 'redis';
import { createCluster as createCluster4 } from 'redis4';
import { createCluster as createCluster5 } from 'redis5';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { randomNames } from '../random-names.js';
import { documentedRights } from '../rights.js';
import { startCluster } from '../servers/cluster.js';

const servers = await startCluster();
after(() => servers.stop());
const nodes = servers.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
const rootNodes = [{ url: servers.url }];

async function nodeRedis() {
  const client = createCluster({ rootNodes });
  client.on('error', () => {});
  await client.connect();
  return { store: new RedisStore(client), client, close: () => client.destroy() };
}

async function ioredis() {
  const client = new Cluster(nodes);
  return { store: new IoredisStore(client), client, close: () => client.disconnect() };
}

const clients: Record<string, () => Promise<{ store: LockStore; close(): unknown }>> = {
  'RedisStore, a cluster of node-redis 6': nodeRedis,
  'IoredisStore, a Cluster of ioredis 6': ioredis,
};

for (const [name, open] of Object.entries(clients)) {
  testStore({
    name,
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
    const [a, b] = [await nodeRedis(), await ioredis()];
    const observer = (await ioredis()).client;
    for (let round = 0; round < 6; round++) {
      const lock = `woken ${round}`;
      const [holder, waiter] = round % 2 ? [a.store, b.store] : [b.store, a.store];
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
      assert.ok(waited < 1_000, `${waited} ms`);
      await eventually(
        'nobody listens',
        async () => (await listeners(observer, `dlock:${lock}`)) === 0,
      );
    }
    for (const client of [a, b]) client.close();
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

  test('older clients take, exclude and give back as well', async () => {
    const older4 = createCluster4({ rootNodes });
    const older5 = createCluster5({ rootNodes });
    await Promise.all([older4.connect(), older5.connect()]);
    const olderIoredis = new Cluster5(nodes);
    const stores = [new RedisStore(older4), new RedisStore(older5), new IoredisStore(olderIoredis)];
    for (const store of stores) {
      await using lease = await tryAcquire(store, 'older');
      assert.ok(lease);
      for (const other of stores) assert.equal(await tryAcquire(other, 'older'), null);
    }
    await older4.quit();
    older5.destroy();
    olderIoredis.disconnect();
  });
});
