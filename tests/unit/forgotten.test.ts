/** Leases that their callers let go: which of them are forgotten, and which are kept by their signal. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { tryAcquire } from '../../src/api/acquire.js';
import { lead } from '../../src/api/lead.js';
import { useClock } from '../../src/base/clock.js';
import type { Lease } from '../../src/lease/lease.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { ScriptedStore } from '../support/scripted-store.js';
import { rememberWarnings } from '../support/warnings.js';

let clock: FakeClock;
let store: ScriptedStore;
const warnings = rememberWarnings();

beforeEach(() => {
  assert.ok(globalThis.gc, 'run with --expose-gc');
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => {
  useClock();
});

/** Takes a lease, and keeps what `keep` gives. */
async function take<T>(keep: (lease: Lease) => T): Promise<T> {
  const lease = await tryAcquire(store, 'import', { ttl: 30_000 });
  assert.ok(lease);
  return keep(lease);
}

/** To look at a weak reference is to hold it until the end of the turn: hence several. */
async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 8; round++) {
    globalThis.gc?.();
    await settled();
  }
}

/** Lets the lease be renewed once, collects garbage, and tells how often it is renewed after that. */
async function renewalsOnceCollected(): Promise<number> {
  await clock.advance(10_001);
  await collectGarbage();
  const renewals = store.count('extend');
  await clock.advance(100_000);
  return store.count('extend') - renewals;
}

function assertForgotten(renewals: number): void {
  assert.equal(renewals, 0);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['DLOCK_LEASE_FORGOTTEN'],
  );
  assert.match(warnings[0]?.message ?? '', /"import"/);
  assert.equal(clock.timers.size, 0);
}

describe('a lease is forgotten, no longer renewed, and warned of', () => {
  test('when nothing of it is kept', async () => {
    await take(() => {});
    assertForgotten(await renewalsOnceCollected());
  });

  test('when its signal was looked at, and dropped', async () => {
    await take((lease) => lease.signal.aborted);
    assertForgotten(await renewalsOnceCollected());
  });

  test('when the only listener to its signal was removed', async () => {
    await take(({ signal }) => {
      const listener = () => {};
      signal.addEventListener('abort', listener);
      signal.removeEventListener('abort', listener);
    });
    assertForgotten(await renewalsOnceCollected());
  });
});

describe('a lease is renewed, and its loss published', () => {
  /** The loss that the holder hears of, when the store says that the lease is not ours any more. */
  async function assertKept(heard: () => boolean): Promise<void> {
    assert.ok((await renewalsOnceCollected()) >= 9);
    await collectGarbage();
    assert.deepEqual(warnings, []);
    assert.equal(heard(), false);
    store.answers.extend = [false];
    await clock.advance(10_000);
    assert.equal(heard(), true);
  }

  test('when only its signal is kept', async () => {
    const signal = await take((lease) => lease.signal);
    await assertKept(() => signal.aborted);
  });

  test('when only a listener to its signal is left', async () => {
    let heard = false;
    await take(({ signal }) => {
      signal.addEventListener('abort', () => {
        heard = true;
      });
    });
    await assertKept(() => heard);
  });

  test('when only `onabort` of its signal is set', async () => {
    let heard = false;
    await take(({ signal }) => {
      signal.onabort = () => {
        heard = true;
      };
    });
    await assertKept(() => heard);
  });

  test('when a leader keeps only its signal, which its caller can abort, too', async () => {
    const { signal: shutdown } = new AbortController();
    const signal = await new Promise<AbortSignal>((resolve) => {
      const body = (lease: Lease) => {
        resolve(lease.signal);
        return new Promise(() => {});
      };
      void lead(store, 'import', body, { signal: shutdown });
    });
    await assertKept(() => signal.aborted);
  });
});

test('eleven listeners to one signal are no leak', async () => {
  const lease = await take((lease) => lease);
  for (let count = 0; count < 11; count++) lease.signal.addEventListener('abort', () => {});
  await settled();
  assert.deepEqual(warnings, []);
  await lease.release();
});
