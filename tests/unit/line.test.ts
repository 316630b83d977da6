/** The line: who asks the store, when, and how often. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { useClock } from '../../src/base/clock.js';
import { AcquireTimeoutError, StoreError } from '../../src/base/errors.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Attempt } from '../../src/store.js';
import { altered } from '../../src/testing/fixture.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';

let clock: FakeClock;
let store: ScriptedStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => useClock());

const granted: Attempt = { granted: true };
const refused: Attempt = { granted: false };

describe('a wait in vain says who holds the lock', () => {
  test('somebody else', async () => {
    store.answers.acquire = [refused];
    await assert.rejects(clock.passing(acquire(store, 'import', { wait: 500 })), {
      name: 'AcquireTimeoutError',
      message: 'Somebody else holds lock "import": gave up after 500 ms',
    });
  });

  test('nobody, where it came free without a word: the last look finds out', async () => {
    const watched = new WatchedStore();
    watched.answers.acquire = [{ granted: false, retryAfter: 60_000 }];
    const waiting = acquire(watched, 'import', { wait: 2_000 });
    await clock.advance(1_200);
    watched.answers.acquire = [granted];
    const lease = await clock.passing(waiting);
    await lease.release();
  });

  test('this process itself', async () => {
    store.answers.acquire = [granted];
    const lease = await acquire(store, 'import');
    await assert.rejects(clock.passing(acquire(store, 'import', { wait: 500 })), {
      name: 'AcquireTimeoutError',
      message: 'This process itself holds lock "import": gave up after 500 ms',
    });
    await lease.release();
  });
});

describe('waiting for another process', () => {
  test('without a watch: polled with pauses of 25 ms to 1 s, a third of the time waited', async () => {
    store.answers.acquire = [refused];
    const controller = new AbortController();
    const waiting = acquire(store, 'import', { signal: controller.signal }).catch(() => {});
    await clock.advance(1_000);
    const first = store.count('acquire');
    assert.ok(first >= 8 && first <= 15, `${first} in the first second`);
    await clock.advance(60_000);
    const later = store.count('acquire') - first;
    assert.ok(later >= 60 && later <= 100, `${later} in the next minute`);
    controller.abort();
    await waiting;
    await clock.advance(1_000);
    assert.equal(clock.timers.size, 0);
  });

  test('never later than when the life of the holder ends', async () => {
    store.answers.acquire = [
      refused,
      refused,
      refused,
      refused,
      refused,
      refused,
      { granted: false, retryAfter: 7 },
      granted,
    ];
    let lease: Lease | undefined;
    const waiting = acquire(store, 'import').then((result) => {
      lease = result;
      return result;
    });
    while (store.count('acquire') < 7) await clock.advance(1);
    await clock.advance(8);
    assert.ok(lease);
    await (await waiting).release();
  });

  test('with a watch: asked once when it opens, then woken, or every few seconds', async () => {
    const watched = new WatchedStore();
    watched.answers.acquire = [refused];
    const waiting = acquire(watched, 'import');
    await clock.advance(10);
    assert.equal(watched.count('acquire'), 2);
    await clock.advance(60_000);
    const polls = watched.count('acquire') - 2;
    assert.ok(polls >= 19 && polls <= 30, `${polls} in a minute`);
    watched.answers.acquire = [granted];
    watched.wake();
    await clock.advance(40);
    const lease = await waiting;
    await lease.release();
    await clock.advance(1_100);
    assert.equal(watched.open, 0, 'nobody stands in line any more');
  });

  test('a watch that cannot be opened is tried again, ever less often: meanwhile, polled', async () => {
    const watched = new WatchedStore();
    watched.answers.acquire = [refused];
    let attempts = 0;
    let isDeaf = true;
    const watch = watched.watch.bind(watched);
    watched.watch = async (...request) => {
      attempts += 1;
      if (isDeaf) throw new Error('no connection');
      return watch(...request);
    };
    const waiting = acquire(watched, 'import');
    await clock.advance(500);
    assert.equal(attempts, 1);
    await clock.advance(9_500);
    assert.ok(attempts >= 3 && attempts <= 5, `${attempts} in ten seconds`);
    const polls = watched.count('acquire');
    assert.ok(polls > 15, `${polls} polls in ten seconds`);
    isDeaf = false;
    await clock.advance(60_000);
    assert.equal(watched.open, 1);
    watched.answers.acquire = [granted];
    watched.wake();
    await clock.advance(40);
    const lease = await waiting;
    await clock.advance(1_100);
    assert.equal(watched.open, 0);

    // The line stays while its process holds the lock, and begins with the shortest pause again.
    isDeaf = true;
    const next = acquire(watched, 'import');
    watched.answers.acquire = [refused];
    await lease.release();
    attempts = 0;
    await clock.advance(5_000);
    assert.ok(attempts >= 2, `${attempts} in five seconds`);
    watched.answers.acquire = [granted];
    await clock.advance(1_100);
    await (await next).release();
  });

  test('a wake-up while the head asks is not lost', async () => {
    const watched = new WatchedStore();
    let answer = (_: Attempt) => {};
    watched.answers.acquire = [
      refused,
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      granted,
    ];
    const waiting = acquire(watched, 'import');
    await clock.advance(1);
    watched.wake();
    answer(refused);
    await clock.advance(40);
    await (await waiting).release();
  });

  test('a thousand who wait ask as often as one', async () => {
    store.answers.acquire = [refused];
    const waiting = Array.from({ length: 1_000 }, () =>
      acquire(store, 'import', { wait: 10_000 }).catch((error) => error),
    );
    await clock.advance(10_000);
    for (const error of await Promise.all(waiting)) assert.ok(error instanceof AcquireTimeoutError);
    const requests = store.count('acquire');
    store.requests.length = 0;
    const alone = acquire(store, 'import', { wait: 10_000 });
    await assert.rejects(clock.passing(alone), AcquireTimeoutError);
    assert.ok(Math.abs(requests - store.count('acquire')) < 0.3 * requests, `${requests}`);
    assert.equal(clock.timers.size <= 1, true);
  });

  test('a wait longer than any timer is waited for in pieces', async () => {
    store.answers.acquire = [refused];
    const day = 24 * 3_600_000;
    const failures: unknown[] = [];
    void acquire(store, 'import', { wait: 30 * day }).catch((error) => failures.push(error));
    await clock.advance(1);
    for (let passed = 0; passed < 29; passed++) {
      clock.block(day - 10);
      await clock.advance(10);
    }
    assert.equal(failures.length, 0);
    clock.block(day);
    await clock.advance(10);
    assert.ok(failures[0] instanceof AcquireTimeoutError);
  });
});

describe('waiting for this process', () => {
  test('nobody asks until the lease ends; its release and the next attempt leave together', async () => {
    const holder = await tryAcquire(store, 'import');
    const waiting = acquire(store, 'import');
    await clock.advance(9_000);
    assert.deepEqual(operations(), ['acquire', 'extend'].slice(0, store.requests.length));
    const before = store.requests.length;
    void holder?.release();
    for (let turn = 0; turn < 10; turn++) await null;
    assert.deepEqual(operations().slice(before), ['release', 'acquire'], 'in one turn');
    await (await waiting).release();
  });

  test('on a store that does not keep the order, it follows the answer to the release', async () => {
    store.ordered = false;
    let answer = (_: boolean) => {};
    const holder = await acquire(store, 'import');
    const waiting = acquire(store, 'import');
    store.answers.release = [
      new Promise<boolean>((resolve) => {
        answer = resolve;
      }),
      true,
    ];
    void holder.release();
    await settled();
    assert.equal(store.count('acquire'), 1);
    answer(true);
    await (await waiting).release();
    assert.equal(store.count('acquire'), 2);
  });

  test('refused all the same, it asks again once the release is answered', async () => {
    let held = false;
    let refusals = 0;
    store.acquire = async () => {
      if (held) {
        refusals += 1;
        return refused;
      }
      held = true;
      return granted;
    };
    store.release = async () => {
      await settled();
      held = false;
      return true;
    };
    const lease = await acquire(store, 'import');
    const next = acquire(store, 'import');
    await lease.release();
    await (await next).release();
    assert.equal(refusals, 1);
  });

  test('a lease that is lost lets the next one ask at once', async () => {
    const lease = await tryAcquire(store, 'import', { renew: false });
    const waiting = acquire(store, 'import');
    await clock.advance(29_697);
    assert.equal(store.count('acquire'), 1);
    await clock.advance(2);
    assert.equal(store.count('acquire'), 2);
    assert.equal(lease?.held, false);
    await (await waiting).release();
  });

  test('a lease that could not be left to lapse lets the next one ask at once', async () => {
    store.answers.extend = [false];
    const lease = await tryAcquire(store, 'import');
    const waiting = acquire(store, 'import');
    assert.equal(await lease?.release({ after: 60_000 }), false);
    await clock.advance(2);
    assert.equal(store.count('acquire'), 2);
    await (await waiting).release();
  });

  test('a lease that is left to lapse lets the next one ask when it lapses', async () => {
    const lease = await tryAcquire(store, 'import');
    const waiting = acquire(store, 'import');
    await lease?.release({ after: 5_000 });
    await clock.advance(4_990);
    assert.equal(store.count('acquire'), 1);
    await clock.advance(20);
    assert.equal(store.count('acquire'), 2);
    await (await waiting).release();
  });
});

describe('leaving the line', () => {
  test('the next one has its own last look', async () => {
    const watched = altered(store, {
      watch: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    });
    store.answers.acquire = [refused];
    const first = acquire(watched, 'import', { wait: 200 }).catch((error) => error);
    const second = acquire(watched, 'import', { wait: 2_000 });
    await clock.advance(300);
    assert.ok((await first) instanceof AcquireTimeoutError);
    store.answers.acquire = [granted];
    await clock.advance(1_500);
    await (await second).release();
  });

  test('a lease that comes for who has left is given back, and the next one is served', async () => {
    let answer = (_: Attempt) => {};
    store.answers.acquire = [
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
      granted,
    ];
    const impatient = acquire(store, 'import', { wait: 100 }).catch((error) => error);
    const patient = acquire(store, 'import');
    await clock.advance(101);
    assert.ok((await impatient) instanceof StoreError, 'nobody said that the lock is held');
    answer(granted);
    const lease = await patient;
    assert.deepEqual(operations(), ['acquire', 'release', 'acquire']);
    await lease.release();
  });

  test('what comes for who has left is freed at once, whatever minHold says', async () => {
    for (const end of ['time-out', 'abort']) {
      const signal = AbortSignal.timeout(5);
      const options = end === 'abort' ? { signal } : { wait: 100 };
      store = new ScriptedStore();
      let answer = (_: Attempt) => {};
      store.answers.acquire = [
        () =>
          new Promise((resolve) => {
            answer = resolve;
          }),
      ];
      const waiting = acquire(store, 'import', { minHold: 20_000, ...options }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      await clock.advance(101);
      await waiting;
      answer(granted);
      await settled();
      assert.deepEqual(operations(), ['acquire', 'release']);
      await clock.advance(1_000);
    }
  });

  test('an outage is told to all who stand in line, by one attempt', async () => {
    store.answers.acquire = [cut];
    const waiting = Array.from({ length: 100 }, () =>
      acquire(store, 'import').catch((error) => error),
    );
    for (const error of await Promise.all(waiting)) assert.ok(error instanceof StoreError);
    assert.equal(store.count('acquire'), 2, 'an attempt and its repeat');
    store.answers.acquire = [granted];
    await (await acquire(store, 'import')).release();
  });

  test('a grant that comes too late for its own short ttl ends that wait only', async () => {
    store.answers.acquire = [
      () => {
        clock.block(100);
        return granted;
      },
    ];
    const hasty = acquire(store, 'import', { ttl: 50 }).catch((error) => error);
    const other = acquire(store, 'import');
    assert.match((await hasty).message, /only after its ttl/);
    await (await other).release();
  });

  test('many who wait on one signal add one listener, and leave none', async () => {
    store.answers.acquire = [refused];
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = Array.from({ length: 100 }, (_, index) =>
      acquire(store, `lock ${index % 3}`, { signal }).catch((error) => error),
    );
    await settled();
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    controller.abort('enough');
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['enough']));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    await settled();
    assert.equal(clock.timers.size <= 1, true);
  });
});

test('a time that cannot be is no answer of a store', async () => {
  for (const retryAfter of [NaN, -1, null, '5']) {
    store.answers.acquire = [{ granted: false, retryAfter } as never];
    await assert.rejects(acquire(store, 'import'), StoreError);
  }
});

test('invalid waits are refused', async () => {
  await assert.rejects(acquire(store, 'import', { wait: -1 }), RangeError);
  await assert.rejects(acquire(store, 'import', { wait: NaN }), RangeError);
  await assert.rejects(acquire(store, 'import', { wait: '5' as never }), TypeError);
  assert.equal(store.requests.length, 0);
});

function operations(): string[] {
  return store.requests.map(({ operation }) => operation);
}

/** A store that wakes when it is told to. */
class WatchedStore extends ScriptedStore {
  open = 0;
  wake = () => {};

  async watch(_name: string, wake: () => void): Promise<AsyncDisposable> {
    this.open += 1;
    this.wake = wake;
    return {
      [Symbol.asyncDispose]: async () => {
        this.open -= 1;
      },
    };
  }
}
