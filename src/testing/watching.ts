/** Waking those who wait. */
import assert from 'node:assert/strict';
import { type Case, type Context, eventually, thief } from './fixture.js';

async function hold({ other, lock }: Context): Promise<void> {
  assert.equal((await other.acquire(lock, thief, 60_000)).granted, true);
}

async function release({ other, lock }: Context): Promise<void> {
  assert.equal(await other.release(lock, thief), true);
}

async function open({ store, lock }: Context, wake: () => void): Promise<AsyncDisposable> {
  if (!store.watch) throw new Error('There is no watch');
  return store.watch(lock, wake);
}

export const watching: Case[] = [
  {
    title: 'who watches is woken by a release, and no longer once the watch is disposed of',
    essential: true,
    async run(context) {
      if (!context.watch) return assert.rejects(open(context, () => {}));
      const releaseOnce = async () => {
        await hold(context);
        await release(context);
      };
      await releaseOnce();
      let wakes = 0;
      const first = await open(context, () => {
        wakes += 1;
      });
      await releaseOnce();
      await eventually('it is woken', () => wakes > 0);
      await first[Symbol.asyncDispose]();
      const before = wakes;
      let woken = false;
      const second = await open(context, () => {
        woken = true;
      });
      await releaseOnce();
      await eventually('the next one is woken', () => woken);
      assert.equal(wakes, before);
      await second[Symbol.asyncDispose]();
    },
  },
  {
    title: 'who begins to watch a lock that is held is woken by its release, without having asked',
    essential: true,
    async run(context) {
      if (!context.watch) return;
      await hold(context);
      let woken = false;
      const watch = await open(context, () => {
        woken = true;
      });
      await release(context);
      await eventually('it is woken', () => woken, 5_000);
      await watch[Symbol.asyncDispose]();
    },
  },
];
