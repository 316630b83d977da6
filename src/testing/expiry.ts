/** Leases that end by themselves. */
import assert from 'node:assert/strict';
import { LeaseLostError, tryAcquire } from 'dlock-js';
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

export const expiry: Case[] = [
  {
    title: 'without renewal: free after the ttl, and never before the deadline of the lease',
    essential: true,
    async run({ store, other, lock, step }) {
      const lease = await tryAcquire(store, lock, { ttl: short, renew: false });
      assert.ok(lease?.held);
      const start = performance.now();
      await takeWhenFree(other, lock, thief, ({ granted }) => {
        if (granted) assert.equal(lease.held, false, 'two held the lock at once');
      });
      const life = performance.now() - start;
      assert.ok(life < short + 3 * step + slack, `it lived for ${life} ms`);
      await other.release(lock, thief);
    },
  },
  {
    title: 'what remains starts at the ttl at most, and shrinks to 0',
    async run({ store, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: short, renew: false });
      assert.ok(lease);
      let last = short;
      await eventually('the lease ends', () => {
        const { remaining } = lease;
        assert.ok(remaining >= 0 && remaining <= last, `${remaining} after ${last}`);
        last = remaining;
        return remaining === 0;
      });
      assert.equal(lease.held, false);
      assert.throws(() => lease.assertHeld(), LeaseLostError);
      await lease.release();
    },
  },
  {
    title: 'released after it expired, while another holds: the other keeps the lock',
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: short, renew: false });
      assert.ok(lease);
      await takeWhenFree(other, lock, thief);
      assert.equal(await lease.release(), false);
      await lease[Symbol.asyncDispose]();
      await assertTaken(store, lock);
      assert.equal(await other.extend(lock, thief, 60_000), true);
      assert.equal(await other.release(lock, thief), true);
    },
  },
  {
    title: 'released after it expired, while nobody holds: false, and nothing is thrown',
    async run({ store, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: short, renew: false });
      assert.ok(lease);
      const { signal } = lease;
      await eventually('the lease ends', () => signal.aborted);
      assert.ok(signal.reason instanceof LeaseLostError);
      assert.equal(await lease.release(), false);
      await lease[Symbol.asyncDispose]();
    },
  },
  {
    title: 'an expired lock is nobody’s, also before another takes it: not extended, not released',
    essential: true,
    async run({ store, other, lock, step }) {
      const token = 'a'.repeat(32);
      const [extended, released, last] = [`${lock} 1`, `${lock} 2`, `${lock} 3`];
      for (const name of [extended, released]) {
        assert.equal((await store.acquire(name, token, short)).granted, true);
      }
      // When this one is free, the others have long expired, and nobody has touched them.
      const longer = short + Math.max(step, 100);
      assert.equal((await store.acquire(last, token, longer)).granted, true);
      await takeWhenFree(other, last, thief);
      assert.equal(await store.extend(extended, token, 60_000), false, 'it was extended');
      assert.equal(await store.release(released, token), false, 'it was released');
      await assertFree(other, extended);
      assert.equal(await other.release(last, thief), true);
    },
  },
];
