/** Waiting on a store that does not answer: an outage never looks like "held". */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { locked } from '../../src/api/locked.js';
import { once } from '../../src/api/once.js';
import { pause, useClock } from '../../src/base/clock.js';
import { StoreError } from '../../src/base/errors.js';
import type { Attempt } from '../../src/store.js';
import { FakeClock } from '../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../support/scripted-store.js';

let clock: FakeClock;
let store: ScriptedStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => useClock());

const granted: Attempt = { granted: true };
const refused: Attempt = { granted: false };
const held = { ran: false, reason: 'held' };
/** Another client holds the lock; it is asked every few seconds, since the store wakes us. */
const watched = Object.assign(new ScriptedStore(), {
  watch: async () => ({ [Symbol.asyncDispose]: async () => {} }),
});

const run = (wait: number, name = 'import') => locked(store, name, () => 1, { wait });

async function assertOutage(outcome: Promise<unknown>, wait: number): Promise<void> {
  await assert.rejects(outcome, (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.match(error.message, new RegExp(`"import": no answer within ${wait} ms`));
    assert.deepEqual([error.lock, error.operation], ['import', 'acquire']);
    return true;
  });
}

describe('a wait that runs out before the store has said anything', () => {
  test('is a StoreError, for everybody in line and from every function', async () => {
    store.answers.acquire = [never];
    const outcomes = [
      run(1_000),
      acquire(store, 'import', { wait: 1_000 }),
      once(store, 'import', 'now', () => 1, { wait: 1_000 }),
      run(1_000),
    ].map((outcome) => assertOutage(outcome, 1_000));
    await clock.advance(1_000);
    await Promise.all(outcomes);
  });

  test('leaves nothing behind: what is granted later is given back', async () => {
    let answer = (_: Attempt) => {};
    store.answers.acquire = [
      new Promise<Attempt>((resolve) => {
        answer = resolve;
      }),
    ];
    const outcome = assertOutage(run(1_000), 1_000);
    await clock.advance(1_000);
    await outcome;
    answer(granted);
    await clock.advance(100);
    assert.equal(store.count('release'), 1);
    await clock.advance(60_000);
    assert.equal(clock.timers.size, 0);
  });

  test('is a StoreError also for who joins the line while a question is open', async () => {
    store.answers.acquire = [refused, never];
    const patient = run(60_000).catch(() => {});
    await clock.advance(50);
    assert.ok(store.count('acquire') >= 2, 'it asks again, in vain');
    const outcome = assertOutage(run(1_000), 1_000);
    await clock.advance(1_000);
    await outcome;
    await clock.advance(10_000);
    await patient;
  });

  test('is a StoreError also behind a release that is not answered', async () => {
    const lease = await tryAcquire(store, 'import');
    store.answers.release = [never];
    store.answers.acquire = [never];
    const release = lease?.release().catch(() => {});
    const outcome = assertOutage(run(1_000), 1_000);
    await clock.advance(1_000);
    await outcome;
    await clock.advance(60_000);
    await release;
  });
});

describe('a wait that runs out once somebody was known to hold the lock', () => {
  test('is "held", though the store fell silent later', async () => {
    store.answers.acquire = [refused, never];
    const outcome = run(1_000);
    await clock.advance(1_000);
    assert.deepEqual(await outcome, held);
    await clock.advance(60_000);
  });

  test('is "held" behind a lease of this process, with a store that is not asked', async () => {
    const lease = await tryAcquire(store, 'import');
    store.answers.acquire = [never];
    const outcomes = [run(1_000), run(1_000)];
    await clock.advance(1_000);
    assert.deepEqual(await Promise.all(outcomes), [held, held]);
    assert.equal(store.count('acquire'), 1);
    await lease?.release();
  });

  test('is "held" while the lock is left to lapse', async () => {
    const lease = await tryAcquire(store, 'import');
    const patient = run(60_000);
    await lease?.release({ after: 20_000 });
    const outcomes = [run(1_000), run(1_000)];
    await clock.advance(1_000);
    assert.deepEqual(await Promise.all(outcomes), [held, held]);
    assert.equal(store.count('acquire'), 1);
    await clock.advance(20_000);
    assert.deepEqual(await patient, { ran: true, value: 1 });
  });
});

describe('a wait that runs out behind a release that is to let the lock lapse', () => {
  for (const [what, answer] of [
    ['is not answered', () => never],
    ['fails late', () => pause(2_000).then(() => Promise.reject(cut))],
  ] as const) {
    test(`is a StoreError where that ${what}, if the lease had ended before`, async () => {
      const lease = await tryAcquire(store, 'import', { ttl: 600, renew: false });
      const patient = run(60_000).catch(() => {});
      store.answers.acquire = [never];
      store.answers.extend = [answer];
      const release = lease?.release({ after: 20_000 }).catch(() => {});
      await clock.advance(1_000);
      const outcome = assertOutage(run(3_000), 3_000);
      await clock.advance(3_000);
      await outcome;
      await clock.advance(120_000);
      await Promise.all([release, patient]);
    });
  }
});

describe('a wait that begins while the first in line rests', () => {
  test('has the store asked before it ends, once for all who came meanwhile', async () => {
    store = watched;
    store.answers.acquire = [refused];
    const first = run(60_000).catch(() => {});
    await clock.advance(5_000);
    const before = store.count('acquire');
    const outcomes = Array.from({ length: 100 }, () => run(1_000));
    await clock.advance(1_000);
    for (const outcome of await Promise.all(outcomes)) assert.deepEqual(outcome, held);
    const asked = store.count('acquire') - before;
    assert.ok(asked >= 1 && asked <= 2, `${asked} requests`);
    store.answers.acquire = [never];
    const outage = assertOutage(run(1_000), 1_000);
    await clock.advance(1_000);
    await outage;
    await clock.advance(60_000);
    await first;
  });
});
