/** Waiting on real servers: wake-ups that get lost, crowds, and what is left behind. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import v8 from 'node:v8';
import { acquire, type LockStore, locked, tryAcquire } from 'dlock-js';
import { MemoryStore } from 'dlock-js/memory';
import { RedisStore } from 'dlock-js/redis';
import { createClient, createClientPool } from 'redis';
import { Line } from '../../src/line/line.js';
import { eventually, slack, thief } from '../../src/testing/fixture.js';
import { scriptCallsIn } from '../support/commandstats.js';
import { type OwnServer, startRedis } from '../support/servers.js';

/** Waits of all kinds that end in all ways, many at a time. */
async function waitInAllWays(store: LockStore, other: LockStore, rounds: number): Promise<void> {
  const controllers = Array.from({ length: 50 }, () => new AbortController());
  const one = async (round: number) => {
    const name = `mixed ${round % 17}`;
    const { signal } = controllers[round % 50] as AbortController;
    if (round % 4 === 0) await locked(round % 8 ? store : other, name, () => {}, { wait: 20_000 });
    else if (round % 4 === 1) await acquire(store, name, { wait: round % 30 }).then(give, ignore);
    else if (round % 4 === 2) await acquire(store, name, { signal, wait: 500 }).then(give, ignore);
    else await acquire(store, name).then(give);
    if (round % 200 === 0) controllers[round % 50]?.abort();
  };
  for (let start = 0; start < rounds; start += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, index) => one(start + index)));
  }
  for (const { signal } of controllers) assert.equal(getEventListeners(signal, 'abort').length, 0);
}

const give = (lease: { release(): Promise<boolean> }) => lease.release();
const ignore = () => {};

/** How many objects of a class there are, after a garbage collection. */
const countOf = (type: unknown) =>
  (v8 as unknown as { queryObjects(type: unknown): number }).queryObjects(type);

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('memory: after 10 000 waits no line, timer or listener is left', async () => {
  const store = new MemoryStore();
  const timersBefore = timers();
  await waitInAllWays(store, store, 10_000);
  await eventually('no line is left', () => countOf(Line) === 0);
  assert.ok(timers() <= timersBefore + 1, 'but for the timer of this very check');
});

describe('redis', () => {
  let server: OwnServer & { url: string };
  let store: RedisStore;
  let other: RedisStore;
  let admin: Awaited<ReturnType<typeof connect>>;
  const clients: { destroy(): void }[] = [];

  async function connect() {
    const client = await createClient({ url: server.url }).connect();
    clients.push(client);
    return client;
  }

  before(async () => {
    server = await startRedis();
    admin = await connect();
    store = new RedisStore(await connect());
    other = new RedisStore(await connect());
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await server.stop();
  });

  /** Those of locks: not the mailboxes, in whose names there is a NUL. */
  const channels = async () =>
    (await admin.pubSubChannels()).filter((channel) => !channel.includes('\0'));
  const connections = async () => (await admin.clientList()).length;
  const evals = async () => scriptCallsIn(await admin.info('commandstats'));

  test('a subscriber that is killed while waiting: served within 2 s of the release', async () => {
    await other.acquire('killed', thief, 60_000);
    const waiting = acquire(store, 'killed');
    await eventually('it subscribes', async () => (await channels()).length === 1);
    await admin.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
    await other.release('killed', thief);
    const start = performance.now();
    const lease = await waiting;
    assert.ok(performance.now() - start < 2_000);
    await lease.release();
  });

  test('one connection serves all who wait, and is closed with the last', async () => {
    await eventually('nobody waits any more', async () => (await channels()).length === 0);
    const before = await connections();
    const names = ['one', 'two', 'three'];
    for (const name of names) await other.acquire(name, thief, 60_000);
    const waiting = names.flatMap((name) => [acquire(store, name), acquire(store, name)]);
    await eventually('all subscribe', async () => (await channels()).length === 3);
    assert.equal(await connections(), before + 1);
    for (const name of names) await other.release(name, thief);
    for (const lease of await Promise.all(waiting.map((wait) => wait.then(give)))) assert.ok(lease);
    await eventually('the connection is closed', async () => (await connections()) === before);
    assert.deepEqual(await admin.pubSubChannels(), []);
  });

  test('a thousand who wait send what one does, and all are served once the lock is free', async () => {
    await other.acquire('crowd', thief, 60_000);
    let served = 0;
    const waiting = Array.from({ length: 1_000 }, async () => {
      const lease = await acquire(store, 'crowd');
      served += 1;
      await lease.release();
    });
    await delay(500);
    const before = await evals();
    await delay(5_000);
    const requests = (await evals()) - before;
    assert.ok(requests <= 10, `${requests} requests in 5 s`);
    await other.release('crowd', thief);
    await Promise.all(waiting);
    assert.equal(served, 1_000);
  });

  test('after 10 000 waits no line, timer, listener, channel, connection or key is left', async () => {
    await eventually('nobody waits any more', async () => (await channels()).length === 0);
    const before = await connections();
    await waitInAllWays(store, other, 10_000);
    await eventually('no channel is left', async () => (await channels()).length === 0);
    await eventually('no connection is left', async () => (await connections()) === before);
    await eventually('no key is left', async () => (await admin.keys('dlock:*')).length === 0);
    await eventually('no line is left', () => countOf(Line) === 0);
  });

  test('who comes when the last has just left is woken all the same', async () => {
    await other.acquire('busy', thief, 60_000);
    const busy = acquire(store, 'busy');
    await eventually('it subscribes', async () => (await channels()).length === 1);
    for (let round = 0; round < 5; round++) {
      await other.acquire('left', thief, 60_000);
      const first = acquire(store, 'left', { wait: 300 }).catch(ignore);
      await eventually('both are subscribed to', async () => (await channels()).length === 2);
      await first;
      const second = acquire(store, 'left');
      await eventually('it is subscribed to again', async () => (await channels()).length === 2);
      await other.release('left', thief);
      const start = performance.now();
      await give(await second);
      assert.ok(performance.now() - start < slack, `round ${round}`);
    }
    await other.release('busy', thief);
    await give(await busy);
  });

  test('a connection that cannot be made is given up, and the wait ends in time', async () => {
    await eventually('nobody waits any more', async () => (await channels()).length === 0);
    const before = await connections();
    const patient = new RedisStore(await connect(), { timeout: 500 });
    await other.acquire('refused', thief, 60_000);
    await admin.configSet('requirepass', 'secret');
    await assert.rejects(acquire(patient, 'refused', { wait: 1_200 }), {
      code: 'ERR_DLOCK_TIMEOUT',
    });
    await admin.configSet('requirepass', '');
    await delay(1_000);
    assert.equal(await connections(), before + 1, 'nobody goes on trying');
    await other.release('refused', thief);
  });

  test('a client that cannot subscribe waits all the same', async () => {
    const pool = createClientPool({ url: server.url });
    await pool.connect();
    const holder = await tryAcquire(other, 'pool');
    const waiting = acquire(new RedisStore(pool), 'pool');
    await delay(50);
    await holder?.release();
    await (await waiting).release();
    pool.destroy();
  });
});
