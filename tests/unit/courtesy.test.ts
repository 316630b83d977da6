/** Order where the store keeps no queue: whoever had the lock lets those go first who wait for it. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire } from '../../src/api/acquire.js';
import { useClock } from '../../src/base/clock.js';
import type { Attempt, LockStore } from '../../src/store.js';
import { FakeClock } from '../support/fake-clock.js';
import { ScriptedStore } from '../support/scripted-store.js';

const granted: Attempt = { granted: true };
const refused: Attempt = { granted: false };

/** A store that wakes those who wait, when the test says so. */
class WatchedStore extends ScriptedStore {
  wake = () => {};

  async watch(_name: string, wake: () => void): Promise<AsyncDisposable> {
    this.wake = wake;
    return { [Symbol.asyncDispose]: async () => {} };
  }
}

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

const stores: { [title: string]: () => ScriptedStore } = {
  'a store that is polled': () => new ScriptedStore(),
  'a store that wakes': () => new WatchedStore(),
};

/** Takes the lock and gives it back; resolves to how long the store was not asked. */
async function takeAgain(store: LockStore): Promise<number> {
  const start = clock.monotonic();
  const lease = await clock.passing(acquire(store, 'import'));
  const waited = clock.monotonic() - start;
  await clock.passing(lease.release());
  return waited;
}

for (const [title, open] of Object.entries(stores)) {
  describe(`courtesy: ${title}`, () => {
    let store: ScriptedStore;
    beforeEach(() => {
      store = open();
    });

    test('whoever was never refused asks at once', async () => {
      for (let round = 0; round < 3; round++) assert.equal(await takeAgain(store), 0);
    });

    test('whoever had to wait lets others go first, until nobody else seems to want the lock', async () => {
      store.answers.acquire = [refused, refused, refused, granted];
      await takeAgain(store);
      const pauses: number[] = [];
      for (let round = 0; round < 12; round++) pauses.push(await takeAgain(store));
      for (const pause of pauses.slice(0, 7)) assert.ok(pause >= 5 && pause <= 60, `${pauses}`);
      for (const pause of pauses.slice(8)) assert.equal(pause, 0, `${pauses}`);
    });

    test('as long as it is refused now and then, it goes on to let others go first', async () => {
      store.answers.acquire = [refused, granted];
      await takeAgain(store);
      for (let round = 0; round < 20; round++) {
        store.answers.acquire = round % 4 ? [granted] : [refused, granted];
        assert.ok((await takeAgain(store)) > 0, `in round ${round}`);
      }
    });

    test('others of its own line are served at once, for the time of a turn', async () => {
      store.answers.acquire = [refused, granted];
      const waiting = [1, 2, 3].map(() => acquire(store, 'import'));
      await ((await clock.passing(waiting[0] as Promise<never>)) as AsyncDisposable)[
        Symbol.asyncDispose
      ]();
      const start = clock.monotonic();
      for (const next of waiting.slice(1)) await (await clock.passing(next)).release();
      assert.ok(clock.monotonic() - start < 5);
    });

    test('a wait that is shorter than that is told what the store says', async () => {
      store.answers.acquire = [refused, granted];
      await takeAgain(store);
      store.answers.acquire = [refused];
      const error = await clock.passing(acquire(store, 'import', { wait: 4 }).catch((e) => e));
      assert.equal(error.code, 'ERR_DLOCK_TIMEOUT');
    });
  });
}

test('a polled store is asked less often by those who have just had the lock than by those who wait', async () => {
  let [holder, soon, later] = [0, 0, 0];
  const changingHands = (): Attempt => ({ granted: false, holder: `${holder++}` });
  // The pauses are random, so that only the sum over many waits tells.
  for (let round = 0; round < 20; round++) {
    const store = new ScriptedStore();
    store.answers.acquire = [changingHands];
    const controller = new AbortController();
    const first = acquire(store, 'import');
    await clock.advance(2_000);
    store.answers.acquire = [granted];
    await clock.passing((await clock.passing(first)).release());

    store.answers.acquire = [changingHands];
    store.requests.length = 0;
    const again = acquire(store, 'import', { signal: controller.signal }).catch(() => {});
    await clock.advance(1_000);
    soon += store.count('acquire');
    await clock.advance(1_000);
    later += store.count('acquire');
    controller.abort();
    await again;
  }
  later -= soon;
  assert.ok(soon < later, `${soon} in the first seconds, ${later} in the next`);
});
