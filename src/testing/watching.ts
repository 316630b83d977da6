/** Waking those who wait. */
import assert from 'node:assert/strict';
import { type Case, type Context, eventually, thief } from './fixture.js';

async function hold({ other, lock }: Context): Promise<void> {
  assert.equal((await other.acquire(lock, thief, 60_000)).granted, true);
}

async function release({ other, lock }: Context): Promise<void> {
  assert.equal(await other.release(lock, thief), true);
}

export const watching: Case[] = [
  {
    title: 'who watches is woken by a release, and no longer once the watch is disposed of',
    essential: true,
    async run(context) {
      const { store, watch, watchLock } = context;
      if (!watch) return assert.rejects(watchLock(store));
      const releaseOnce = async () => {
        await hold(context);
        await release(context);
      };
      await releaseOnce();
      let wakes = 0;
      const stopFirst = await watchLock(store, () => {
        wakes += 1;
      });
      await releaseOnce();
      await eventually('it is woken', () => wakes > 0);
      await stopFirst();
      const before = wakes;
      let woken = false;
      await watchLock(store, () => {
        woken = true;
      });
      await releaseOnce();
      await eventually('the next one is woken', () => woken);
      assert.equal(wakes, before);
    },
  },
  {
    title: 'who begins to watch a lock that is held is woken by its release, without having asked',
    essential: true,
    async run(context) {
      if (!context.watch) return;
      await hold(context);
      let woken = false;
      await context.watchLock(context.store, () => {
        woken = true;
      });
      await release(context);
      await eventually('it is woken', () => woken, 5_000);
    },
  },
];
