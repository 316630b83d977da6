/** Processes that take turns at a lock in etcd. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, type LockStore, tryAcquire } from 'dlock-js';
import { EtcdStore } from 'dlock-js/etcd';
import { eventually, thief } from '../../src/testing/fixture.js';
import { keysUnder } from '../support/etcd-talk.js';
import { type OwnServer, startEtcd } from '../support/servers.js';
import { assertEven, assertInOrder, lineUp, startTaker, withTokens } from './turn-taker.js';

// The store keeps no process alive while it is asked directly, and not by the core.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

describe('etcd: in turn', () => {
  let server: OwnServer & { url: string };
  let store: LockStore;
  let url: string;

  before(async () => {
    server = await startEtcd();
    store = new EtcdStore(server.url);
    url = server.url.replace('http:', 'etcd:');
  });
  after(() => server.stop());

  /** All cases follow each other, so that these are the places of one lock. */
  const places = () => keysUnder(server.url, 'dlock:\0');
  /** The lock is held by nobody's process, and others wait for it, in this order. */
  async function lineUpFor(name: string, count: number) {
    assert.equal((await store.acquire(name, thief, 120_000)).granted, true);
    const starts = Array.from({ length: count }, () => () => startTaker('', url, name));
    return lineUp(starts, async () => (await places()).length);
  }

  test('processes are served in the order in which they began to wait', async () => {
    const takers = await lineUpFor('order', 4);
    await store.release('order', thief);
    await assertInOrder(takers);
  });

  test('the next is killed: the one behind it takes the lock a moment later', async () => {
    const [next, behind] = await lineUpFor('killed', 2);
    await next.end('SIGKILL');
    const start = performance.now();
    await store.release('killed', thief);
    await behind.outcome();
    const waited = performance.now() - start;
    assert.ok(waited > 900 && waited < 5_000, `${waited} ms`);
  });

  test('the next is frozen: others go on, and it is served anew when it wakes', async () => {
    const [next, behind] = await lineUpFor('frozen', 2);
    next.child.kill('SIGSTOP');
    await store.release('frozen', thief);
    const [fence = NaN] = (await behind.outcome()).fences;
    next.child.kill('SIGCONT');
    assert.ok(Number((await next.outcome()).fences[0]) > fence);
  });

  test('the only one who waits is killed: whoever tries again a second later takes the lock', async () => {
    const [next] = await lineUpFor('alone', 1);
    await next.end('SIGKILL');
    await store.release('alone', thief);
    assert.equal(await tryAcquire(store, 'alone'), null, 'it is promised');
    const start = performance.now();
    await eventually('it is taken', async () => (await tryAcquire(store, 'alone')) !== null);
    const waited = performance.now() - start;
    assert.ok(waited > 900 && waited < 5_000, `${waited} ms`);
  });

  test('the holder dies: the first takes the lock when its life ends', async () => {
    assert.equal((await store.acquire('dead', 'a', 2_000)).granted, true);
    const taker = await startTaker('', url, 'dead');
    taker.begin();
    const { longestWait } = await taker.outcome();
    assert.ok(longestWait < 2_000 + 4_000, `${longestWait} ms`);
  });

  test('no token is in the queue, and whoever leaves it leaves nothing', async () => {
    const { store: noting, tokens } = withTokens(new EtcdStore(server.url));
    await store.acquire('left', thief, 60_000);
    const controller = new AbortController();
    const wait = acquire(noting, 'left', { signal: controller.signal });
    await eventually('it waits', async () => (await places()).length === 1);
    const content = JSON.stringify(await places());
    assert.ok(tokens.every((token) => !content.includes(token)));
    controller.abort();
    await assert.rejects(wait);
    await eventually('its place is given up', async () => (await places()).length === 0);
    assert.equal(await store.release('left', thief), true);
    assert.deepEqual(await keysUnder(server.url, 'dlock:left'), []);
  });

  test('4 processes take turns evenly', async () => {
    const starting = Array.from({ length: 4 }, () => startTaker('', url, 'turns', 20, 4_000));
    const takers = await Promise.all(starting);
    for (const { begin } of takers) begin();
    const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
    assertEven(outcomes);
  });
});
