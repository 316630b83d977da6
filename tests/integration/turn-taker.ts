/** Processes that take turns, from the side of the test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { LockStore } from 'dlock-js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { startWorker } from '../support/workers.js';

const file = new URL('./workers/turn-taker.ts', import.meta.url);

export interface Outcome {
  fences: number[];
  times: number[];
  ends: number[];
  longestWait: number;
}

/** A process that waits for its start. */
export async function startTaker(
  client: string,
  url: string,
  name: string,
  work = 20,
  duration = 0,
  limit = 1,
) {
  const child = startWorker(file, client, url, name, `${work}`, `${duration}`, `${limit}`);
  await once(child, 'message');
  const outcome = once(child, 'message').then(([told]) => told as Outcome);
  return {
    child,
    begin: () => child.send('begin'),
    outcome: () => outcome,
    async end(signal: NodeJS.Signals) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
  };
}

export type Taker = Awaited<ReturnType<typeof startTaker>>;

/**
 * They wait, one behind the other: each begins once those before it have their places.
 *
 * @param places how many have one.
 */
export async function lineUp(
  starts: readonly (() => Promise<Taker>)[],
  places: () => Promise<number>,
) {
  const takers: Taker[] = [];
  for (const start of starts) {
    const taker = await start();
    taker.begin();
    takers.push(taker);
    await eventually('it waits', async () => (await places()) === takers.length, 30_000);
  }
  return takers as [Taker, Taker, ...Taker[]];
}

/** They were served in the order in which they began to wait. */
export async function assertInOrder(takers: readonly Taker[]): Promise<void> {
  const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
  const fences = outcomes.map(({ fences: [fence = NaN] }) => fence);
  assert.deepEqual(
    fences,
    fences.toSorted((a, b) => a - b),
  );
}

/** Not all begin and end at the same moment: only while all take part they have equal shares. */
export function assertEven(outcomes: readonly Outcome[], details = ''): void {
  const from = Math.max(...outcomes.map(({ fences }) => fences[0] ?? NaN));
  const to = Math.min(...outcomes.map(({ fences }) => fences.at(-1) ?? NaN));
  const shares = outcomes.map(({ fences }) => fences.filter((f) => f >= from && f <= to).length);
  const shown = `${shares} ${details}`;
  assert.ok(Math.min(...shares) >= Math.max(...shares) - 3, shown);
  assert.ok(Math.min(...shares) >= 3, shown);
}

/** The store, and the tokens that were asked for by it. */
export function withTokens(store: LockStore): { store: LockStore; tokens: string[] } {
  const tokens: string[] = [];
  const noting = altered(store, {
    acquire(name, token, ...rest) {
      tokens.push(token);
      return store.acquire(name, token, ...rest);
    },
  });
  return { store: noting, tokens };
}
