/** Requests that are made again: nothing changes, and the answer is the same. */
import assert from 'node:assert/strict';
import type { LockStore } from 'dlock-js';
import { type Case, short, slack, takeWhenFree, thief } from './fixture.js';

const [holder, reader] = ['a'.repeat(32), 'b'.repeat(32)];
/** Longer than a short life may seem on a busy machine. */
const long = 10_000;

type Ask = (store: LockStore, lock: string, ttl: number) => Promise<{ granted: boolean }>;

const alone: Ask = (store, lock, ttl) => store.acquire(lock, holder, ttl);

/** The same, beside any number of others. */
const beside: Ask = async (store, lock, ttl) => {
  if (!store.acquireShared) throw new Error('Only a store with acquireShared is asked for that');
  return store.acquireShared(lock, reader, ttl, Infinity);
};

export const repeats: Case[] = [
  {
    title: 'asked for again by its holder, with a longer ttl, a lock lapses when it would have',
    essential: true,
    async run({ store, other, lock, step }) {
      const outlive = async (name: string, ask: Ask): Promise<void> => {
        const start = performance.now();
        assert.equal((await ask(store, name, short)).granted, true);
        assert.equal((await ask(store, name, long)).granted, true);
        assert.equal((await ask(other, name, long)).granted, true);
        await takeWhenFree(other, name, thief);
        const life = performance.now() - start;
        assert.ok(life < short + 3 * step + slack, `it lived for ${life} ms`);
        assert.equal(await other.release(name, thief), true);
      };
      const shared = store.acquireShared ? [outlive(`${lock}, shared`, beside)] : [];
      await Promise.all([outlive(lock, alone), ...shared]);
    },
  },
  {
    title: 'an extension that is repeated in the same moment finds the lock ours',
    essential: true,
    async run({ store, other, lock }) {
      assert.equal((await alone(store, lock, long)).granted, true);
      for (let round = 0; round < 5; round++) {
        // A server that says what it has changed has changed nothing the second time.
        const extensions = [1, 2, 3, 4].map(() => store.extend(lock, holder, long));
        assert.deepEqual(await Promise.all(extensions), [true, true, true, true]);
        assert.equal(await other.extend(lock, holder, long), true);
      }
      assert.equal(await store.release(lock, holder), true);
    },
  },
];
