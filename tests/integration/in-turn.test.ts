/** Processes that take turns at a lock in Redis: in order, at the same price however many wait. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, type LockStore, tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';
import { eventually, thief } from '../../src/testing/fixture.js';
import { callsIn, scriptCallsIn } from '../support/commandstats.js';
import { documentedRights } from '../support/rights.js';
import { type OwnServer, startRedis } from '../support/servers.js';
import { assertEven, assertInOrder, lineUp, startTaker, withTokens } from './turn-taker.js';

describe('redis: in turn', { concurrency: 3 }, () => {
  let server: OwnServer & { url: string };
  let admin: Awaited<ReturnType<typeof connect>>;
  let store: LockStore;

  const connect = (options: object = {}) => createClient({ url: server.url, ...options }).connect();

  before(async () => {
    server = await startRedis();
    admin = await connect();
    store = new RedisStore(admin);
  });
  after(async () => {
    admin.destroy();
    await server.stop();
  });

  const queueOf = (name: string) => `\0\0\0\0dlock:${name}`;
  const waiting = (name: string) => admin.zCard(queueOf(name));
  /** The lock is held by nobody's process, and others wait for it, in this order. */
  async function lineUpFor(name: string, clients: string[], work?: number) {
    assert.equal((await store.acquire(name, thief, 60_000)).granted, true);
    const starts = clients.map((client) => () => startTaker(client, server.url, name, work));
    return lineUp(starts, () => waiting(name));
  }

  test('processes with any client are served in the order in which they began to wait', async () => {
    const takers = await lineUpFor('order', [
      'node-redis 6',
      'ioredis 6',
      'node-redis 4',
      'ioredis 5',
      'iovalkey',
      'glide',
    ]);
    await store.release('order', thief);
    await assertInOrder(takers);
  });

  test('the next is killed: the one behind it is served at once', async () => {
    const [next, behind] = await lineUpFor('killed', ['node-redis 6', 'ioredis 6']);
    await next.end('SIGKILL');
    const start = performance.now();
    await store.release('killed', thief);
    await behind.outcome();
    const waited = performance.now() - start;
    assert.ok(waited < 1_500, `${waited} ms`);
  });

  test('the next is frozen: others go on, and it holds nothing when it wakes', async () => {
    const [next, behind] = await lineUpFor('frozen', ['node-redis 6', 'ioredis 6'], 100);
    next.child.kill('SIGSTOP');
    const start = performance.now();
    await store.release('frozen', thief);
    const [fence = NaN] = (await behind.outcome()).fences;
    const waited = performance.now() - start;
    assert.ok(waited > 900 && waited < 3_000, `${waited} ms`);
    await store.acquire('frozen', thief, 60_000);
    next.child.kill('SIGCONT');
    await eventually('it waits again', async () => (await waiting('frozen')) === 1);
    assert.equal(await admin.get('dlock:frozen'), thief);
    await store.release('frozen', thief);
    assert.ok(Number((await next.outcome()).fences[0]) > fence);
  });

  test('whoever waits for longer than its place is kept for is still served in turn', async () => {
    const [first, second] = await lineUpFor('long', ['node-redis 6', 'ioredis 6']);
    const places = await admin.zRange(queueOf('long'), 0, -1);
    const keptAt = async () =>
      Number((await admin.hGet(`\0${queueOf('long')}`, places[0] ?? ''))?.split(' ')[0]);
    const kept = await keptAt();
    await eventually('its place is kept anew', async () => (await keptAt()) > kept + 2_000);
    assert.deepEqual(await admin.zRange(queueOf('long'), 0, -1), places);
    await store.release('long', thief);
    const [one, two] = [await first.outcome(), await second.outcome()];
    assert.ok(Number(one.fences[0]) < Number(two.fences[0]));
  });

  test('the holder dies: the first in line takes the lock when its life ends', async () => {
    assert.equal((await store.acquire('dead', 'a', 2_000)).granted, true);
    const taker = await startTaker('node-redis 6', server.url, 'dead');
    taker.begin();
    const { longestWait } = await taker.outcome();
    assert.ok(longestWait < 2_000 + 2_000, `${longestWait} ms`);
  });

  test('no token is in the queue, and nothing stays behind when nobody waits', async () => {
    const client = await connect();
    const { store: noting, tokens } = withTokens(new RedisStore(client));
    await store.acquire('left', thief, 60_000);
    const controller = new AbortController();
    const wait = acquire(noting, 'left', { signal: controller.signal });
    await eventually('it waits', async () => (await waiting('left')) === 1);
    const queue = queueOf('left');
    for (const key of [queue, `\0${queue}`]) {
      assert.ok((await admin.pTTL(key)) > 0, 'it expires');
      const content = JSON.stringify([await admin.dump(key)]);
      for (const token of tokens) assert.ok(!content.includes(token));
    }
    controller.abort();
    await assert.rejects(wait);
    await eventually('its place is given up', async () => (await waiting('left')) === 0);
    await store.release('left', thief);
    assert.deepEqual(await admin.keys('*dlock:left'), ['\0dlock:left'], 'the fence alone');
    client.destroy();
  });

  test('an attempt while the lock is promised is refused, and takes nothing from the next', async () => {
    const [next] = await lineUpFor('tried', ['node-redis 6']);
    next.child.kill('SIGSTOP');
    await store.release('tried', thief);
    assert.match(String(await admin.get('dlock:tried')), /^>[0-9a-f]{40}$/);
    assert.ok((await admin.pTTL('dlock:tried')) <= 1_000);
    assert.equal(await tryAcquire(store, 'tried'), null);
    assert.equal(await admin.set('dlock:tried', 'another client', { condition: 'NX' }), null);
    next.child.kill('SIGCONT');
    await next.outcome();
  });

  test('a user without the commands of the queue takes, waits and releases, unordered', async () => {
    for (const right of await documentedRights()) await admin.sendCommand(['ACL', ...right]);
    const queueCommands = ['zadd', 'zrange', 'zrank', 'zscore', 'zrem', 'hget', 'hset', 'hdel'];
    for (const lacking of [queueCommands, ...queueCommands.map((command) => [command])]) {
      await admin.sendCommand([
        'ACL',
        'SETUSER',
        'dlock',
        ...queueCommands.map((each) => `+${each}`),
      ]);
      await admin.sendCommand(['ACL', 'SETUSER', 'dlock', ...lacking.map((each) => `-${each}`)]);
      const client = await connect({ username: 'dlock', password: 'secret' });
      const [one, two] = [new RedisStore(client), new RedisStore(client)];
      const lease = await acquire(one, 'unordered');
      const wait = acquire(two, 'unordered');
      await eventually('it subscribes', async () => {
        return (await admin.pubSubChannels('dlock:unordered')).length === 1;
      });
      assert.equal(await lease.release(), true, `${lacking}`);
      assert.equal(await (await wait).release(), true, `${lacking}`);
      client.destroy();
    }
  });
});

describe('redis: in turn, counted by a server that does nothing else', () => {
  for (const [count, duration] of [
    [2, 3_000],
    [12, 6_000],
  ] as const) {
    test(`${count} processes take turns: evenly, for three requests a section`, async (t) => {
      await using server = await startRedis();
      const admin = await createClient({ url: server.url }).connect();
      // A server that stops for a failed test must not fail it once more.
      t.after(() => admin.destroy());
      admin.on('error', () => {});
      const stats = () => admin.info('commandstats');
      const name = `turns of ${count}`;
      const starting = Array.from({ length: count }, (_, index) =>
        startTaker(index % 2 ? 'ioredis 6' : 'node-redis 6', server.url, name, 20, duration),
      );
      const takers = await Promise.all(starting);
      const before = await stats();
      for (const { begin } of takers) begin();
      const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
      const after = await stats();
      const requests = scriptCallsIn(after) - scriptCallsIn(before);
      const messages = callsIn(after, 'publish') - callsIn(before, 'publish');
      const total = outcomes.flatMap(({ fences }) => fences).length;
      const details = `of ${total}; ${requests} requests, ${messages} messages`;
      // The first and the last rounds cost otherwise.
      assert.ok(requests <= 3.2 * total + 4 * count, details);
      assert.ok(messages <= 3 * total + count, details);
      assertEven(outcomes, details);
    });
  }
});
