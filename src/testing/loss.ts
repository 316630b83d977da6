/** Losses, and that they are told in time. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { LeaseLostError, tryAcquire } from 'dlock-js';
import { altered, type Case, eventually, short, takeWhenFree, thief } from './fixture.js';

export const loss: Case[] = [
  {
    title: 'the lock is taken away behind our back: told at the next renewal',
    essential: true,
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: 3_000 });
      assert.ok(lease);
      const aborted = once(lease.signal, 'abort');
      const start = performance.now();
      assert.equal(await other.release(lock, lease.token), true);
      await aborted;
      assert.ok(performance.now() - start < 2_900, 'before the deadline');
      assert.ok(lease.signal.reason instanceof LeaseLostError);
      assert.match(lease.signal.reason.message, /not ours/);
      assert.ok(lease.signal.reason.message.includes(lock.slice(0, 50)), 'names the lock');
      assert.equal(await lease.release(), false);
    },
  },
  {
    title: 'the store cannot be reached: told before anybody else can hold the lock',
    async run({ store, other, lock }) {
      const unreachable = altered(store, {
        async extend() {
          throw new Error('the line is cut');
        },
      });
      const lease = await tryAcquire(unreachable, lock, { ttl: 3_000 });
      assert.ok(lease);
      // Whoever asks has the same event loop as the signal, and may be called back first.
      const { signal } = lease;
      await takeWhenFree(other, lock, thief, ({ granted }) => {
        if (granted) assert.equal(lease.held, false, 'two held the lock at once');
      });
      await eventually('the loss is published', () => signal.aborted);
      assert.match(lease.signal.reason.message, /time ran out/);
      assert.match(lease.signal.reason.cause.message, /the line is cut/);
      await other.release(lock, thief);
    },
  },
  {
    title: 'who asks for the signal late finds it aborted',
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: 60_000 });
      assert.ok(lease);
      await other.release(lock, lease.token);
      await assert.rejects(lease.extend(), LeaseLostError);
      assert.equal(lease.signal.aborted, true);
      assert.ok(lease.signal.reason instanceof LeaseLostError);
    },
  },
];

/** These block the event loop, which would disturb others: a loss is told in time. */
export const blocking: Case[] = [
  {
    title: 'the event loop was blocked past the deadline: the lease knows before any timer ran',
    async run({ store, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: short });
      assert.ok(lease?.held);
      const end = performance.now() + short;
      while (performance.now() < end);
      assert.equal(lease.held, false);
      assert.equal(lease.remaining, 0);
      assert.equal(lease.signal.aborted, true);
      assert.equal(await lease.release(), false);
    },
  },
];
