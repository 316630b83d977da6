/** Waiting in line. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { AcquireTimeoutError, acquire, locked, StoreError, tryAcquire } from 'dlock-js';
import {
  altered,
  assertFree,
  type Case,
  eventually,
  short,
  slack,
  takeWhenFree,
  thief,
} from './fixture.js';

/** Holds the lock as another process would, unknown to the line of this one. */
async function holdAsStranger(store: Parameters<typeof acquire>[0], lock: string, ttl = 60_000) {
  assert.equal((await store.acquire(lock, thief, ttl)).granted, true);
}

export const waiting: Case[] = [
  {
    title: 'a free lock is taken at once, a taken one when the other releases',
    essential: true,
    async run({ store, other, lock }) {
      const first = await acquire(store, lock);
      assert.ok(first.held);
      await first.release();

      await holdAsStranger(other, lock);
      const waiting = acquire(store, lock);
      await delay(50);
      assert.equal(await other.release(lock, thief), true);
      const lease = await waiting;
      assert.ok(lease.held);
      assert.equal(await lease.release(), true);
    },
  },
  {
    title: 'a lock that expires without a release is taken then',
    essential: true,
    async run({ store, other, lock, step }) {
      await holdAsStranger(other, lock, short);
      const start = performance.now();
      const lease = await acquire(store, lock);
      const waited = performance.now() - start;
      assert.ok(waited < short + 2 * step + slack, `${waited} ms`);
      await lease.release();
    },
  },
  {
    title: 'a wait ends within its bound, and leaves nothing',
    async run({ store, other, lock }) {
      await holdAsStranger(other, lock);
      // The longer one leaves a slow store the time to say that another holds the lock.
      for (const wait of [0, short]) {
        const start = performance.now();
        await assert.rejects(acquire(store, lock, { wait }), (error: Error) => {
          assert.ok(error instanceof AcquireTimeoutError);
          assert.ok(error.message.includes(`${wait} ms`));
          return true;
        });
        const waited = performance.now() - start;
        assert.ok(waited >= wait - 2 && waited < wait + 2 * slack, `${waited} of ${wait} ms`);
      }
      await other.release(lock, thief);
      await takeWhenFree(other, lock, thief);
      await other.release(lock, thief);
    },
  },
  {
    title: 'an abort ends the wait at once, and leaves nothing',
    async run({ store, other, lock }) {
      await holdAsStranger(other, lock);
      const controller = new AbortController();
      const waiting = acquire(store, lock, { signal: controller.signal });
      await delay(100);
      const start = performance.now();
      controller.abort(new Error('enough'));
      await assert.rejects(waiting, /enough/);
      assert.ok(performance.now() - start < slack);
      await other.release(lock, thief);
      await takeWhenFree(other, lock, thief);
      await other.release(lock, thief);

      let requests = 0;
      const counted = altered(store, {
        async acquire(...request) {
          requests += 1;
          return store.acquire(...request);
        },
      });
      await assert.rejects(acquire(counted, lock, { signal: controller.signal }), /enough/);
      assert.equal(requests, 0, 'aborted before: no request');
    },
  },
  {
    title: 'first come, first served',
    async run({ store, lock }) {
      const order: number[] = [];
      const sections = Array.from({ length: 30 }, async (_, index) => {
        const lease = await acquire(store, lock);
        order.push(index);
        await lease.release();
      });
      await Promise.all(sections);
      assert.deepEqual(
        order,
        order.map((_, index) => index),
      );
    },
  },
  {
    title: 'who leaves the line lets the next one through',
    async run({ store, lock }) {
      const holder = await acquire(store, lock);
      const controller = new AbortController();
      const served: string[] = [];
      const impatient = acquire(store, lock, { wait: 30 }).catch((error) => error);
      const aborted = acquire(store, lock, { signal: controller.signal }).catch((error) => error);
      const patient = acquire(store, lock).then((lease) => {
        served.push('patient');
        return lease;
      });
      assert.ok((await impatient) instanceof AcquireTimeoutError);
      controller.abort();
      await aborted;
      assert.deepEqual(served, []);
      await holder.release();
      await (await patient).release();
      assert.deepEqual(served, ['patient']);
    },
  },
  {
    title: 'a line hands down the lock with few requests, and asks nothing while one of it holds',
    async run({ store, lock }) {
      let requests = 0;
      const counting = <T extends unknown[], R>(call: (...request: T) => R) =>
        function count(...request: T): R {
          requests += 1;
          return call(...request);
        };
      const counted = altered(store, {
        acquire: counting((...request) => store.acquire(...request)),
        release: counting((...request) => store.release(...request)),
      });
      const holder = await acquire(counted, lock);
      const waiting = Array.from({ length: 50 }, () => acquire(counted, lock));
      await delay(200);
      assert.equal(requests, 1, 'only the first attempt so far');
      await holder.release();
      for (const lease of waiting) await (await lease).release();
      // An attempt, a release, and on some stores an attempt that overtook the release before it.
      assert.ok(requests <= 3 * 51, `${requests} requests`);
    },
  },
  {
    title: 'a lock that was lost, or left to lapse, is taken by the next in line',
    async run({ store, other, lock }) {
      const lost = await acquire(store, lock);
      const second = acquire(store, lock);
      await other.release(lock, lost.token);
      await assert.rejects(lost.extend());
      const lease = await second;
      const third = acquire(store, lock);
      const start = performance.now();
      assert.equal(await lease.release({ after: short }), true);
      await (await third).release();
      assert.ok(performance.now() - start >= short - 2);
    },
  },
  {
    title: 'an outage ends the wait of all who stand in line; who comes later asks anew',
    async run({ store, other, lock }) {
      await holdAsStranger(other, lock);
      let failing = true;
      const flaky = altered(store, {
        async acquire(...request) {
          if (failing) throw new Error('the line is cut');
          return store.acquire(...request);
        },
      });
      const waiting = [1, 2, 3].map(() => acquire(flaky, lock).catch((error) => error));
      for (const error of await Promise.all(waiting)) assert.ok(error instanceof StoreError);
      failing = false;
      const later = acquire(flaky, lock);
      await other.release(lock, thief);
      await (await later).release();
    },
  },
  {
    title: 'a watch that cannot be opened is no error',
    async run({ store, other, lock }) {
      const blind = altered(store, {
        watch: async () => {
          throw new Error('no watching here');
        },
      });
      await holdAsStranger(other, lock);
      const waiting = acquire(blind, lock);
      await delay(50);
      await other.release(lock, thief);
      await (await waiting).release();
    },
  },
  {
    title: 'locked runs its body under the lock, or says that it did not',
    async run({ store, other, lock }) {
      const outcome = await locked(store, lock, async (lease) => {
        assert.ok(lease.held);
        assert.deepEqual(await locked(other, lock, () => 1), { ran: false, reason: 'held' });
        return 42;
      });
      assert.deepEqual(outcome, { ran: true, value: 42 });
      await assertFree(other, lock);

      const failure = new Error('the body failed');
      const failing = locked(store, lock, () => {
        throw failure;
      });
      await assert.rejects(failing, (error) => error === failure);
      await assertFree(other, lock);

      await holdAsStranger(other, lock);
      setTimeout(() => other.release(lock, thief), 50);
      const waited = await locked(store, lock, (lease) => lease.held, { wait: 30_000 });
      assert.deepEqual(waited, { ran: true, value: true });
    },
  },
  {
    title: 'locked rejects when the lease was lost under the body',
    async run({ store, other, lock }) {
      const outcome = locked(store, lock, async (lease) => {
        await other.release(lock, lease.token);
        return 'done';
      });
      await assert.rejects(outcome, { code: 'ERR_DLOCK_LEASE_LOST' });
      await eventually('and leaves nothing', async () => {
        const lease = await tryAcquire(store, lock);
        await lease?.release();
        return lease !== null;
      });
    },
  },
];
