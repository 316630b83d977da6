/** Waiting in the queue of the store, for stores that keep one. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type LockStore } from 'dlock-js';
import {
  altered,
  assertTaken,
  type Case,
  type Context,
  eventually,
  slack,
  thief,
} from './fixture.js';

/** What a store may count on in these cases, in milliseconds. */
const patience = 5_000;

const [first, second] = ['1'.repeat(32), '2'.repeat(32)];

/** Another line, as in another process, whose attempts are seen. */
function anotherLine(store: LockStore, onPlace: () => void): LockStore {
  return altered(store, {
    async acquire(...request) {
      const attempt = await store.acquire(...request);
      if (!attempt.granted && attempt.placeFor !== undefined) onPlace();
      return attempt;
    },
  });
}

/** Begins to wait in a line of its own; resolves once that has its place. */
async function standInLine(store: LockStore, lock: string, signal?: AbortSignal) {
  let hasPlace = false;
  const line = anotherLine(store, () => {
    hasPlace = true;
  });
  const waiting = acquire(line, lock, { signal });
  // Whoever leaves before its turn is told by the case itself.
  waiting.catch(() => {});
  await eventually('it has a place', () => hasPlace);
  return { waiting };
}

/** The lock is held, and two tokens wait for it, which the store can wake. */
async function queueUp({ store, other, lock, watchLock }: Context) {
  await watchLock(store);
  await watchLock(other);
  assert.equal((await store.acquire(lock, thief, 60_000)).granted, true);
  for (const [each, token] of [
    [store, first],
    [other, second],
  ] as const) {
    const attempt = await each.acquire(lock, token, 60_000, patience);
    assert.ok(!attempt.granted && Number(attempt.placeFor) >= patience, JSON.stringify(attempt));
  }
}

export const inTurn: Case[] = [
  {
    title: 'a lock that was watched before anybody held it is granted to whoever could wait for it',
    essential: true,
    async run({ store, lock, watchLock }) {
      await watchLock(store);
      assert.equal((await store.acquire(lock, first, 60_000, patience)).granted, true);
      assert.equal(await store.release(lock, first), true);
    },
  },
  {
    title: 'those who wait are served in the order in which they began to wait',
    essential: true,
    async run({ store, other, lock }) {
      const holder = await acquire(store, lock);
      const served: number[] = [];
      const turns: Promise<void>[] = [];
      for (const index of [0, 1, 2, 3, 4, 5]) {
        const { waiting } = await standInLine(index % 2 ? store : other, lock);
        turns.push(
          waiting.then(async (lease) => {
            served.push(index);
            await lease.release();
          }),
        );
      }
      await holder.release();
      await Promise.all(turns);
      assert.deepEqual(served, [0, 1, 2, 3, 4, 5]);
    },
  },
  {
    title: 'whoever releases and wants the lock again goes behind those who wait',
    async run({ store, other, lock }) {
      const served: string[] = [];
      const again = altered(store, {});
      const holder = await acquire(again, lock);
      const { waiting } = await standInLine(other, lock);
      await holder.release();
      const next = acquire(again, lock).then(async (lease) => {
        served.push('again');
        await lease.release();
      });
      const lease = await waiting;
      served.push('waiting');
      await lease.release();
      await next;
      assert.deepEqual(served, ['waiting', 'again']);
    },
  },
  {
    title:
      'a released lock is promised: refused to all but the next, whose lease begins when it asks',
    async run(context) {
      const { store, other, lock } = context;
      await queueUp(context);
      assert.equal(await store.release(lock, thief), true);
      await assertTaken(other, lock);
      assert.equal((await other.acquire(lock, second, 60_000, patience)).granted, false);
      assert.equal(await store.extend(lock, first, 60_000), false, 'a promise is no lease');
      assert.equal((await store.acquire(lock, first, 60_000, patience)).granted, true);
      assert.equal((await store.acquire(lock, first, 60_000, patience)).granted, true, 'repeated');
      assert.equal(await store.release(lock, first), true);
      assert.equal((await other.acquire(lock, second, 60_000, patience)).granted, true);
      assert.equal(await other.release(lock, second), true);
    },
  },
  {
    title: 'a token that asks again keeps its place',
    essential: true,
    async run(context) {
      const { store, other, lock } = context;
      await queueUp(context);
      assert.equal((await store.acquire(lock, first, 60_000, patience)).granted, false);
      assert.equal(await store.release(lock, thief), true);
      assert.equal((await other.acquire(lock, second, 60_000, patience)).granted, false);
      assert.equal((await store.acquire(lock, first, 60_000, patience)).granted, true);
      await store.release(lock, first);
      assert.equal(await other.release(lock, second), false, 'it had not taken it yet');
    },
  },
  {
    title: 'a release by a token that waits gives up its place, and the promise to it',
    essential: true,
    async run(context) {
      const { store, other, lock } = context;
      await queueUp(context);
      assert.equal(await store.release(lock, first), false);
      await assertTaken(other, lock);
      assert.equal(await store.release(lock, thief), true);
      await assertTaken(store, lock);
      assert.equal(await other.release(lock, second), false, 'a promise is no lease');
      assert.equal((await store.acquire(lock, thief, 60_000)).granted, true, 'nobody waits');
      assert.equal(await store.release(lock, thief), true);
    },
  },
  {
    title: 'a promise that nobody takes ends soon, and whoever is behind takes the lock',
    async run(context) {
      const { store, lock } = context;
      await queueUp(context);
      await store.release(lock, second);
      const { waiting } = await standInLine(store, lock);
      const start = performance.now();
      assert.equal(await store.release(lock, thief), true);
      const lease = await waiting;
      const waited = performance.now() - start;
      assert.ok(waited > 500 && waited < 1_000 + slack, `${waited} ms`);
      assert.equal(await lease.release(), true);
    },
  },
  {
    title: 'the first behind a promise is always told how long it still lasts, or never',
    essential: true,
    async run(context) {
      const { store, other, lock } = context;
      await queueUp(context);
      assert.equal(await store.release(lock, thief), true);
      const told = new Set<boolean>();
      for (;;) {
        const attempt = await other.acquire(lock, second, 60_000, patience);
        if (attempt.granted) break;
        told.add(attempt.retryAfter !== undefined);
        // All the time in the last milliseconds, where a life may be rounded to none.
        await delay(Math.max(0, (attempt.retryAfter ?? 0) - 20));
      }
      assert.equal(told.size, 1);
      assert.equal(await other.release(lock, second), true);
    },
  },
  {
    title: 'whoever leaves gives up its place, and the next is served at once',
    essential: true,
    async run({ store, other, lock }) {
      const holder = await acquire(store, lock);
      const controller = new AbortController();
      const leaving = await standInLine(other, lock, controller.signal);
      const staying = await standInLine(store, lock);
      controller.abort(new Error('enough'));
      await assert.rejects(leaving.waiting, /enough/);
      await holder.release();
      const lease = await staying.waiting;
      assert.equal(await lease.release(), true);
    },
  },
];
