/** What outlives a restart, for stores that promise it. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { LockStore } from 'dlock-js';
import { type Case, short, takeWhenFree, thief } from './fixture.js';

const [holder, reader] = ['a'.repeat(32), 'b'.repeat(32)];
const long = 60_000;
/** For how long a client may fail until it has found the server again, in milliseconds. */
const patience = 15_000;

/** The first answer, once there is one: requests may fail until the client has found the server again. */
async function answer<T>(ask: () => Promise<T>): Promise<T> {
  const end = performance.now() + patience;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > end) throw error;
      await delay(50);
    }
  }
}

/** The fence of a grant, undefined where there is none. */
async function grant(store: LockStore, lock: string, token: string, ttl = long) {
  const attempt = await answer(() => store.acquire(lock, token, ttl));
  assert.equal(attempt.granted, true, `${lock} should be granted to ${token}`);
  return attempt.granted ? attempt.fence : undefined;
}

async function assertRefused(store: LockStore, lock: string): Promise<void> {
  const attempt = await answer(() => store.acquire(lock, thief, long));
  assert.equal(attempt.granted, false, `${lock} should still be held`);
}

export const persistence: Case[] = [
  {
    title: 'a lock outlives a restart, with its holder, its life and its fence',
    essential: true,
    async run({ store, lock, restart }) {
      const lapsing = `${lock}, lapsing`;
      const fence = await grant(store, lock, holder);
      await grant(store, lapsing, holder, short);
      const restarted = await restart();
      await assertRefused(restarted, lock);
      assert.equal(await answer(() => restarted.extend(lock, thief, long)), false);
      assert.equal(await grant(restarted, lock, holder), fence);
      assert.equal(await answer(() => restarted.extend(lock, holder, long)), true);
      assert.equal(await restarted.release(lock, holder), true);
      await takeWhenFree(restarted, lapsing, thief);
      assert.equal(await restarted.release(lapsing, thief), true);
    },
  },
  {
    title: 'a fence outlives its lock and a restart',
    essential: true,
    async run({ store, lock, fence, restart }) {
      const before = await grant(store, lock, holder);
      assert.equal(await store.release(lock, holder), true);
      const restarted = await restart();
      const after = await grant(restarted, lock, reader);
      if (fence) assert.ok(Number(after) > Number(before), `${after} after ${before}`);
      assert.equal(await restarted.release(lock, reader), true);
    },
  },
  {
    title: 'those who hold a lock together outlive a restart',
    essential: true,
    async run({ store, lock, restart }) {
      if (!store.acquireShared) return;
      for (const token of [holder, reader])
        assert.equal((await store.acquireShared(lock, token, long, Infinity)).granted, true);
      const restarted = await restart();
      await assertRefused(restarted, lock);
      for (const token of [holder, reader]) {
        await assertRefused(restarted, lock);
        assert.equal(await restarted.release(lock, token), true);
      }
      await grant(restarted, lock, thief);
      assert.equal(await restarted.release(lock, thief), true);
    },
  },
];
