/** Several holders at once, for stores that have `acquireShared`. */
import assert from 'node:assert/strict';
import { acquire, adopt, type LockStore, locked, tryAcquire } from 'dlock-js';
import {
  assertFree,
  assertTaken,
  type Case,
  eventually,
  short,
  slack,
  takeWhenFree,
  thief,
} from './fixture.js';

const [first, second, third] = ['1'.repeat(32), '2'.repeat(32), '3'.repeat(32)];
const long = 60_000;

/** Asks for `token`; the life is long, unless said otherwise. */
function share(store: LockStore, lock: string, token: string, limit: number, ttl = long) {
  if (!store.acquireShared) throw new Error('A store under this chapter needs acquireShared');
  return store.acquireShared(lock, token, ttl, limit);
}

async function assertAdmitted(store: LockStore, lock: string, token: string, limit: number) {
  const attempt = await share(store, lock, token, limit);
  assert.equal(attempt.granted, true, `${token} should be admitted beside ${limit - 1}`);
  return attempt.granted ? attempt.fence : undefined;
}

async function assertRefused(store: LockStore, lock: string, token: string, limit: number) {
  const attempt = await share(store, lock, token, limit);
  assert.equal(attempt.granted, false, `${token} should be refused at ${limit}`);
  return attempt.granted ? undefined : attempt.retryAfter;
}

export const together: Case[] = [
  {
    title: 'as many as the limit hold the lock; one leaves, and one comes',
    essential: true,
    async run({ store, other, lock }) {
      const one = await tryAcquire(store, lock, { limit: 2 });
      const two = await tryAcquire(other, lock, { limit: 2 });
      assert.ok(one?.held && two?.held);
      assert.equal(await tryAcquire(store, lock, { limit: 2 }), null);
      const waiting = acquire(other, lock, { limit: 2, wait: long });
      await two.extend();
      assert.equal(await one.release(), true);
      const three = await waiting;
      assert.equal(await two.release(), true);
      assert.equal(await three.release(), true);
      await assertFree(store, lock);
    },
  },
  {
    title: 'alone is refused while others share it, and to share it while somebody holds it alone',
    essential: true,
    unlimited: true,
    async run({ store, other, lock }) {
      const reader = await acquire(store, lock, { limit: Infinity });
      assert.equal(await tryAcquire(other, lock), null);
      await reader.release();
      const writer = await acquire(other, lock);
      assert.equal(await tryAcquire(store, lock, { limit: Infinity }), null);
      await writer.release();
      const again = await tryAcquire(store, lock, { limit: Infinity });
      assert.ok(again);
      await again.release();
    },
  },
  {
    title: 'a refusal tells when the first of the holders ends',
    async run({ store, lock }) {
      await share(store, lock, first, 2, short);
      await share(store, lock, second, 2);
      const retryAfter = await assertRefused(store, lock, third, 2);
      assert.ok(retryAfter === undefined || retryAfter <= short, `${retryAfter}`);
      await store.release(lock, first);
      await store.release(lock, second);
    },
  },
  {
    title: 'lives of their own: one that ends makes room, and shortens no other',
    async run({ store, other, lock }) {
      await assertAdmitted(store, lock, first, 3);
      await assertAdmitted(other, lock, second, 3);
      await share(store, lock, third, 3, short);
      await eventually('there is room', async () => {
        assert.equal(await store.extend(lock, first, long), true);
        return (await share(other, lock, thief, 3)).granted;
      });
      assert.equal(await store.extend(lock, third, long), false, 'its life has ended');
      assert.equal(await other.extend(lock, second, long), true);
      for (const token of [first, second, thief]) {
        await assertTaken(store, lock);
        assert.equal(await store.release(lock, token), true);
      }
      await assertFree(store, lock);
    },
  },
  {
    title: 'free at once after the last holder has lapsed',
    async run({ store, other, lock }) {
      await share(store, lock, first, 2, short);
      const start = performance.now();
      await takeWhenFree(other, lock, thief);
      const life = performance.now() - start;
      assert.ok(life < short + slack, `it lived for ${life} ms`);
      assert.equal(await store.release(lock, first), false);
      await other.release(lock, thief);
    },
  },
  {
    title: 'a lock that nobody holds is refused to nobody, though some who stood in line are dead',
    async run({ store, other, lock, watchLock }) {
      const dead = ['4', '5', '6'].map((digit) => digit.repeat(32));
      for (const holder of [first, second]) await share(store, lock, holder, 2, short);
      if (store.watch) await watchLock(store);
      for (const token of dead) {
        const attempt = await store.acquireShared?.(lock, token, long, 2, long);
        assert.equal(attempt?.granted, false);
      }
      await eventually('it is granted', async () => (await share(other, lock, third, 2)).granted);
      for (const token of [first, second, third, ...dead]) await other.release(lock, token);
      await assertFree(other, lock);
    },
  },
  {
    title: 'the same token counts once',
    essential: true,
    async run({ store, lock }) {
      const fence = await assertAdmitted(store, lock, first, 2);
      assert.ok(Number(await assertAdmitted(store, lock, first, 2)) >= Number(fence) || !fence);
      await assertAdmitted(store, lock, second, 2);
      await assertRefused(store, lock, third, 2);
      assert.equal(await store.release(lock, first), true);
      assert.equal(await store.release(lock, second), true);
      await assertFree(store, lock);
    },
  },
  {
    title: 'a release that comes twice, or from nobody, admits nobody',
    async run({ store, lock }) {
      await assertAdmitted(store, lock, first, 2);
      await assertAdmitted(store, lock, second, 2);
      assert.equal(await store.release(lock, first), true);
      for (const token of [first, third, thief]) {
        assert.equal(await store.release(lock, token), false);
        assert.equal(await store.extend(lock, token, long), false);
      }
      await assertAdmitted(store, lock, third, 2);
      await assertRefused(store, lock, first, 2);
      await store.release(lock, second);
      await store.release(lock, third);
    },
  },
  {
    title: 'extended up and down: who wants it alone comes neither early nor late',
    async run({ store, other, lock }) {
      await share(store, lock, first, 2, short);
      await share(store, lock, second, 2, short);
      assert.equal(await store.extend(lock, first, long), true);
      assert.equal(await store.extend(lock, second, 1), true);
      await new Promise((resolve) => setTimeout(resolve, short + 100));
      await assertTaken(other, lock);
      assert.equal(await store.extend(lock, first, short), true);
      const start = performance.now();
      await takeWhenFree(other, lock, thief);
      const life = performance.now() - start;
      assert.ok(life > short * 0.9 && life < short + slack, `${life} ms`);
      await other.release(lock, thief);
    },
  },
  {
    title: 'who asks says how many: limits of 5, 3 and 1, mixed',
    async run({ store, lock }) {
      const tokens = ['4', '5', '6', '7'].map((digit) => digit.repeat(32));
      for (const token of tokens) await assertAdmitted(store, lock, token, 5);
      await assertRefused(store, lock, first, 3);
      await assertAdmitted(store, lock, first, 5);
      await assertRefused(store, lock, second, 5);
      await assertAdmitted(store, lock, second, Infinity);
      for (const token of tokens) assert.equal(await store.release(lock, token), true);
      await assertAdmitted(store, lock, third, 3);
      await assertTaken(store, lock);
      for (const token of [first, second, third]) await store.release(lock, token);
      await assertFree(store, lock);
    },
  },
  {
    title: 'a hundred readers at once, and then a writer',
    unlimited: true,
    async run({ store, other, lock }) {
      const readers = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          acquire(index % 2 ? store : other, lock, { limit: Infinity }),
        ),
      );
      const writer = acquire(other, lock);
      for (const reader of readers) assert.equal(await reader.release(), true);
      await (await writer).release();
    },
  },
  {
    title: 'words that the store may use for itself own nothing',
    async run({ store, lock }) {
      await assertAdmitted(store, lock, first, 2);
      for (const word of ['shared', '>shared', '@', '>', 'null', '*']) {
        for (const ask of [() => store.extend(lock, word, long), () => store.release(lock, word)]) {
          assert.notEqual(await ask().catch(() => 'refused'), true, word);
        }
      }
      assert.equal(await store.release(lock, first), true);
      await assertFree(store, lock);
    },
  },
  {
    title: 'fences grow over all grants: alone, shared, alone',
    async run({ store, other, lock, fence }) {
      const fences: (number | undefined)[] = [];
      for (const limit of [1, 3, 3, 1]) {
        const lease = await acquire(limit === 1 ? store : other, lock, { limit });
        fences.push(lease.fence);
        await lease.release();
      }
      if (!fence) return;
      const sorted = fences.toSorted((a, b) => Number(a) - Number(b));
      assert.deepEqual(fences, sorted);
      assert.equal(new Set(fences).size, fences.length);
    },
  },
  {
    title: 'a lease among others is handed over with its limit',
    unlimited: true,
    async run({ store, other, lock }) {
      const beside = await acquire(store, lock, { limit: Infinity });
      const lease = await acquire(store, lock, { limit: Infinity });
      const ticket = JSON.parse(JSON.stringify(lease.handOver()));
      const adopted = await adopt(other, ticket);
      assert.ok(adopted?.held);
      assert.equal(JSON.parse(JSON.stringify(adopted.handOver())).limit, null);
      const again = await adopt(store, ticket);
      assert.equal(await again?.release(), true);
      await assertTaken(store, lock);
      assert.equal(await beside.release(), true);
      await assertFree(store, lock);
    },
  },
  {
    title: 'with minHold, no more start within that time than the limit',
    async run({ store, other, lock }) {
      const starts: number[] = [];
      const start = async (index: number) => {
        const lease = await acquire(index % 2 ? store : other, lock, { limit: 2, minHold: short });
        starts.push(performance.now());
        await lease.release();
      };
      await Promise.all([0, 1, 2, 3].map(start));
      for (const [index, third] of starts.slice(2).entries()) {
        // Counted from before the request, while a start is noted after its answer.
        const between = third - (starts[index] ?? NaN);
        assert.ok(between > short * 0.8, `${between} ms`);
      }
    },
  },
  {
    title: 'who finds no room within its wait is told so',
    async run({ store, other, lock }) {
      const holders = [
        await acquire(store, lock, { limit: 2 }),
        await acquire(other, lock, { limit: 2 }),
      ];
      const outcome = await locked(store, lock, () => 1, { limit: 2, wait: 1_000 });
      assert.deepEqual(outcome, { ran: false, reason: 'held' });
      for (const holder of holders) assert.equal(await holder.release(), true);
      await assertFree(store, lock);
    },
  },
];
