/** IoredisStore, on real servers, with both versions of ioredis that it supports, and with iovalkey. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, LeaseLostError, StoreError, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { scriptCallsIn } from '../support/commandstats.js';
import { startFaultyProxy } from '../support/proxy/faulty.js';
import { resp } from '../support/proxy/resp.js';
import { documentedRights } from '../support/rights.js';
import { type OwnServer, sharedRedis, startRedis } from '../support/servers.js';

const url = await sharedRedis();

type Options = Omit<RedisOptions, 'replyMapping'>;

/** A client that reports its errors through its commands, and ends with its block. */
function connect(to = url, options: Options = {}) {
  const client = new Redis(to, options);
  client.on('error', () => {});
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      client.disconnect();
    },
  });
}

const connectors = {
  'ioredis 6': () => new Redis(url),
  'ioredis 5': () => new Redis5(url),
  iovalkey: () => new Valkey(url),
};

for (const [library, connectClient] of Object.entries(connectors)) {
  testStore({
    name: `IoredisStore, ${library}`,
    cases: library === 'ioredis 6' ? 'all' : 'essential',
    queue: true,
    sharing: true,
    create() {
      const [one, two] = [connectClient(), connectClient()];
      const close = () => {
        one.disconnect();
        two.disconnect();
      };
      return { store: new IoredisStore(one), other: new IoredisStore(two), close };
    },
  });
}

describe('ioredis: what is in the database', () => {
  test('stores of both clients exclude and wake each other', async () => {
    await using ours = connect();
    const theirs = await createClient({ url }).connect();
    after(() => theirs.destroy());
    const [store, other] = [new IoredisStore(ours), new RedisStore(theirs)];
    for (const [holder, waiter] of [
      [store, other],
      [other, store],
    ] as const) {
      const first = await acquire(holder, 'both');
      assert.equal(await tryAcquire(waiter, 'both'), null);
      const waiting = acquire(waiter, 'both');
      await eventually('it subscribes', async () => {
        return (await ours.pubsub('CHANNELS', 'dlock:both')).length === 1;
      });
      assert.equal(await first.release(), true);
      await using second = await waiting;
      assert.ok(Number(second.fence) > Number(first.fence));
    }
  });

  test("the client's own database and key prefix are honoured, for the fence too", async () => {
    await using client = connect(url, { db: 4, keyPrefix: 'tenant:' });
    await using reader = connect(url, { db: 4 });
    await using lease = await tryAcquire(new IoredisStore(client), 'import');
    assert.equal(await reader.get('tenant:dlock:import'), lease?.token);
    assert.equal(await reader.get('tenant:\0dlock:import'), `${lease?.fence}`);
    await using other = await tryAcquire(new IoredisStore(reader), 'import');
    assert.ok(other, 'another prefix, another lock');
  });

  test('who waits behind a key prefix is woken', async () => {
    await using client = connect(url, { keyPrefix: 'tenant:' });
    await using other = connect(url, { keyPrefix: 'tenant:' });
    const store = new IoredisStore(client);
    await store.acquire('woken', thief, 60_000);
    const waiting = acquire(new IoredisStore(other), 'woken');
    await eventually('it subscribes', async () => {
      return (await client.pubsub('CHANNELS', 'dlock:woken')).length === 1;
    });
    await store.release('woken', thief);
    assert.equal(await (await waiting).release(), true);
  });

  test('a client that gathers its commands into pipelines works', async () => {
    await using client = connect(url, { enableAutoPipelining: true });
    const store = new IoredisStore(client);
    const names = Array.from({ length: 50 }, (_, index) => `gathered ${index}`);
    const leases = await Promise.all(names.map((name) => tryAcquire(store, name)));
    assert.deepEqual(
      await Promise.all(leases.map((lease) => lease?.release())),
      names.map(() => true),
    );
  });

  test('a key prefix of a Cluster, which parts lock and fence, is refused before any request', () => {
    const cluster = new Cluster([url], { lazyConnect: true, keyPrefix: 'tenant:' });
    assert.throws(() => new IoredisStore(cluster), { name: 'RangeError', message: /"tenant:"/ });
    assert.equal(cluster.status, 'wait');
  });
});

test('ioredis: a user with no other rights than the listed ones is enough', async () => {
  await using server = await startRedis();
  await using admin = connect(server.url);
  const [least = [], waking = [], ...ofClients] = await documentedRights();
  for (const right of [least, ...ofClients]) await admin.call('ACL', ...right);
  await using client = connect(server.url, { username: 'dlock', password: 'secret' });
  const store = new IoredisStore(client);
  const first = await acquire(store, 'import');
  await first.extend();
  const other = new IoredisStore(client);
  assert.equal(await tryAcquire(other, 'import'), null);
  const waiting = acquire(other, 'import');
  const denied = async () => JSON.stringify(await admin.call('ACL', 'LOG'));
  await eventually('it may not subscribe', async () => /"subscribe"/.test(await denied()));
  await admin.call('ACL', ...waking);
  await admin.call('ACL', 'LOG', 'RESET');
  await eventually('it subscribes', async () => {
    return (await admin.pubsub('CHANNELS', 'dlock:import')).length === 1;
  });
  assert.equal(await first.release(), true);
  assert.equal(await (await waiting).release(), true);
  assert.equal(await denied(), '[]');
});

/** What the tests of one block share: a server, and somebody who looks into it. */
function setTheScene(): { server: OwnServer & { url: string }; admin: Redis } {
  const scene = {} as ReturnType<typeof setTheScene>;
  before(async () => {
    scene.server = await startRedis();
    scene.admin = new Redis(scene.server.url);
  });
  after(async () => {
    scene.admin.disconnect();
    await scene.server.stop();
  });
  return scene;
}

describe('ioredis: commands that are sent again by themselves', () => {
  const scene = setTheScene();

  const evals = async () => scriptCallsIn(await scene.admin.info('commandstats'));

  test('an acquire that is carried out twice is one lease, with one fence', async () => {
    await using proxy = await startFaultyProxy(scene.server.port, resp);
    await using client = connect(`redis://127.0.0.1:${proxy.ports[0]}`);
    const before = await evals();
    const lost = proxy.dropReply(resp.acquire);
    const acquiring = tryAcquire(new IoredisStore(client), 'twice', { ttl: 60_000 });
    await lost;
    const fence = await scene.admin.get('\0dlock:twice');
    assert.ok(fence, 'the first one was carried out');
    await using lease = await acquiring;
    assert.equal((await evals()) - before, 2);
    assert.equal(await scene.admin.get('dlock:twice'), lease?.token);
    assert.equal(`${lease?.fence}`, fence);
    assert.equal(await scene.admin.get('\0dlock:twice'), fence);
    assert.equal(await lease?.release(), true);
    assert.equal(await scene.admin.exists('dlock:twice'), 0);
  });

  test('an extension that is carried out twice is one', async () => {
    await using proxy = await startFaultyProxy(scene.server.port, resp);
    await using client = connect(`redis://127.0.0.1:${proxy.ports[0]}`);
    await using lease = await tryAcquire(new IoredisStore(client), 'extended');
    const lost = proxy.dropReply(resp.extend);
    await lease?.extend(60_000);
    await lost;
    assert.equal(lease?.held, true);
    assert.ok((await scene.admin.pttl('dlock:extended')) > 50_000);
  });

  test('a release that is carried out twice reads as lost, and harms nobody', async () => {
    await using proxy = await startFaultyProxy(scene.server.port, resp);
    await using client = connect(`redis://127.0.0.1:${proxy.ports[0]}`);
    const lease = await tryAcquire(new IoredisStore(client), 'released');
    assert.ok(lease);
    void proxy.dropReply(resp.release);
    assert.equal(await lease.release(), false);
    assert.ok(lease.signal.reason instanceof LeaseLostError);
    assert.equal(await scene.admin.exists('dlock:released'), 0);
  });

  test('with maxRetriesPerRequest: 0 it is in doubt instead', async () => {
    await using proxy = await startFaultyProxy(scene.server.port, resp);
    const options = { maxRetriesPerRequest: 0 };
    await using client = connect(`redis://127.0.0.1:${proxy.ports[0]}`, options);
    const store = new IoredisStore(client);
    const lease = await tryAcquire(store, 'doubtful');
    void proxy.dropReply(resp.release);
    await assert.rejects(async () => lease?.release(), StoreError);
    await eventually('the lock can be taken', async () => {
      await using next = await tryAcquire(store, 'doubtful');
      return next !== null;
    });
  });

  test('one that was queued while offline, and given up, leaves no orphan', async () => {
    await using client = connect(scene.server.url);
    await client.ping();
    const store = new IoredisStore(client, { timeout: 300, ttl: 60_000 });
    await scene.server.kill();
    await assert.rejects(tryAcquire(store, 'offline'), StoreError);
    await scene.server.restart();
    await eventually('the queue is sent', async () => (await evals()) >= 2);
    await using other = connect(scene.server.url);
    await eventually('the lock can be taken', async () => {
      await using lease = await tryAcquire(new IoredisStore(other), 'offline');
      return lease !== null;
    });
  });
});

describe('ioredis: being woken', () => {
  const scene = setTheScene();

  const connections = async () =>
    String(await scene.admin.call('CLIENT', 'LIST'))
      .trim()
      .split('\n').length;
  /** The connection that has subscribed, to a lock and its mailbox, by its number. */
  const subscriber = async () =>
    /^id=(\d+) .* sub=2 /m.exec(
      String(await scene.admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub')),
    )?.[1];

  for (const options of [
    {},
    { lazyConnect: true },
    { enableOfflineQueue: false },
    { autoResubscribe: false },
  ] as Options[]) {
    test(`by a client with ${JSON.stringify(options)}, also by its second subscriber`, async () => {
      await using client = connect(scene.server.url, options);
      if (options.lazyConnect) await client.connect();
      await eventually('it is connected', () => client.status === 'ready');
      const before = await connections();
      const other = new IoredisStore(scene.admin);
      await other.acquire('killed', thief, 60_000);
      const waiting = acquire(new IoredisStore(client), 'killed');
      await eventually('it subscribes', async () => (await subscriber()) !== undefined);
      const first = await subscriber();
      await scene.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await eventually('it subscribes again', async () => {
        const second = await subscriber();
        return second !== undefined && second !== first;
      });
      await other.release('killed', thief);
      const start = performance.now();
      assert.equal(await (await waiting).release(), true);
      assert.ok(performance.now() - start < 2_000);
      await eventually('the connection is closed', async () => (await connections()) === before);
    });
  }

  test('released while the subscriber is gone: served once it is back', async () => {
    await using client = connect(scene.server.url);
    const other = new IoredisStore(scene.admin);
    await other.acquire('missed', thief, 60_000);
    const waiting = acquire(new IoredisStore(client), 'missed');
    await eventually('it subscribes', async () => (await subscriber()) !== undefined);
    await scene.admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await other.release('missed', thief);
    const start = performance.now();
    assert.equal(await (await waiting).release(), true);
    assert.ok(performance.now() - start < 2_000);
  });

  test('a connection that cannot be made is given up, and the wait ends in time', async () => {
    await using client = connect(scene.server.url);
    await client.ping();
    await eventually('nobody waits any more', async () => (await subscriber()) === undefined);
    const before = await connections();
    const other = new IoredisStore(scene.admin);
    await other.acquire('refused', thief, 60_000);
    await scene.admin.config('SET', 'requirepass', 'secret');
    const store = new IoredisStore(client, { timeout: 500 });
    await assert.rejects(acquire(store, 'refused', { wait: 1_200 }), { code: 'ERR_DLOCK_TIMEOUT' });
    await scene.admin.config('SET', 'requirepass', '');
    await eventually('nobody goes on trying', async () => (await connections()) === before);
  });
});
