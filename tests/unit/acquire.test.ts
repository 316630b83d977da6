/** tryAcquire: three outcomes, and nothing left behind when the outcome is unknown. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { useClock } from '../../src/base/clock.js';
import { StoreError } from '../../src/base/errors.js';
import type { Attempt } from '../../src/store.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../support/scripted-store.js';

let clock: FakeClock;
let store: ScriptedStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => useClock());

const granted: Attempt = { granted: true, fence: 7 };
const refused: Attempt = { granted: false, retryAfter: 10 };

/** The error of an attempt, while time passes. */
async function failure(attempt: Promise<unknown>, ms: number): Promise<StoreError> {
  const outcome = attempt.then(
    () => assert.fail('it should have failed'),
    (error) => error,
  );
  await clock.advance(ms);
  return outcome;
}

describe('three outcomes', () => {
  test('granted: a lease, valid for the ttl less 1 % and 2 ms from when the request left', async () => {
    store.answers.acquire = [
      () => {
        clock.block(100);
        return granted;
      },
    ];
    const lease = await tryAcquire(store, 'import', { ttl: 10_000 });
    assert.equal(lease?.fence, 7);
    assert.equal(lease?.remaining, 10_000 - 100 - 102 + 100 - 100);
    await lease?.release();
  });

  test('refused: null', async () => {
    store.answers.acquire = [refused];
    assert.equal(await tryAcquire(store, 'import'), null);
    assert.equal(store.requests.length, 1);
    // The timer that all alarms share goes off once more.
    await clock.advance(1_000);
    assert.equal(clock.timers.size, 0);
  });

  test('an error, twice: StoreError that names the lock, with the cause of the store', async () => {
    store.answers.acquire = [cut];
    const error = await failure(tryAcquire(store, 'import'), 0);
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'ERR_DLOCK_STORE');
    assert.match(error.message, /"import".*the line is cut/);
    assert.equal(error.cause, cut);
  });

  test('a store that throws at once, or answers nonsense, is an outage', async () => {
    store.acquire = () => {
      throw cut;
    };
    await assert.rejects(tryAcquire(store, 'import'), StoreError);
    for (const nonsense of [undefined, null, true, 'OK', {}, { granted: 1 }]) {
      store.acquire = async () => nonsense as never;
      await assert.rejects(tryAcquire(store, 'import'), StoreError);
    }
  });
});

describe('ambiguity', () => {
  test('an error is repeated once, with the same token; granted then, it is a lease', async () => {
    store.answers.acquire = [cut, granted];
    const lease = await tryAcquire(store, 'import');
    assert.ok(lease?.held);
    const [first, second] = store.requests;
    assert.equal(first?.token, second?.token);
    assert.equal(store.requests.length, 2);
    await lease.release();
  });

  test('each attempt has a token of its own', async () => {
    const tokens = new Set<string | undefined>();
    for (let attempt = 0; attempt < 500; attempt++) {
      const lease = await tryAcquire(store, 'import');
      tokens.add(lease?.token);
      await lease?.release();
    }
    assert.equal(tokens.size, 500);
  });

  test('after an error and a refusal: null, and the first request is undone', async () => {
    store.answers.acquire = [cut, refused];
    store.answers.release = [false];
    assert.equal(await tryAcquire(store, 'import'), null);
    await clock.advance(60_000);
    assert.ok(store.count('release') >= 2);
    assert.equal(clock.timers.size, 0);
  });

  test('after an error and a grant: the release is followed by an undo', async () => {
    store.answers.acquire = [cut, granted];
    const lease = await tryAcquire(store, 'import');
    assert.equal(await lease?.release(), true);
    await clock.advance(60_000);
    assert.ok(store.count('release') >= 3);
    assert.equal(clock.timers.size, 0);
  });

  test('one timeout bounds the attempt and its repeat; after it nothing is repeated', async () => {
    store.answers.acquire = [
      () => new Promise((_, reject) => clock.setTimer(() => reject(cut), 3_000)),
      never,
    ];
    const start = clock.monotonic();
    const outcome = tryAcquire(store, 'import').catch((error) => error);
    let end = 0;
    void outcome.then(() => {
      end = clock.monotonic();
    });
    await clock.advance(5_001);
    assert.match((await outcome).message, /no answer within 5000 ms/);
    assert.ok(end - start <= 5_001);
    assert.equal(store.count('acquire'), 2);

    store.requests.length = 0;
    store.answers.acquire = [
      () => new Promise((_, reject) => clock.setTimer(() => reject(cut), 6_000)),
    ];
    await failure(tryAcquire(store, 'import'), 10_000);
    assert.equal(store.count('acquire'), 1);
  });

  test('a grant that comes after its own deadline is no lease, and given back', async () => {
    store.answers.acquire = [
      () => {
        clock.block(990);
        return granted;
      },
    ];
    const attempt = tryAcquire(store, 'import', { ttl: 1_000, minHold: 60_000 });
    const error = await failure(attempt, 0);
    assert.ok(error instanceof StoreError);
    await clock.advance(2_000);
    assert.equal(store.count('extend'), 0);
    assert.ok(store.count('release') >= 1);
    assert.equal(clock.timers.size, 0);
  });
});

describe('undoing an attempt that failed', () => {
  test('the release is repeated until an answer counts', async () => {
    store.answers.acquire = [cut];
    store.answers.release = [cut, false, cut, false];
    await failure(tryAcquire(store, 'import'), 0);
    assert.equal(store.count('release'), 1, 'the first follows at once');
    await clock.advance(60_000);
    const releases = store.count('release');
    assert.ok(releases >= 4 && releases <= 12, `${releases}`);
    assert.ok(store.requests.every(({ token }) => token === store.requests[0]?.token));
    await clock.advance(60_000);
    assert.equal(store.count('release'), releases, 'then it stops');
    assert.equal(clock.timers.size, 0);
  });

  test('it goes on for as long as the acquire may still come, if the ttl is shorter', async () => {
    store.answers.acquire = [cut];
    store.answers.release = [false];
    await failure(tryAcquire(store, 'import', { ttl: 500 }), 0);
    await clock.advance(4_990);
    const releases = store.count('release');
    await clock.advance(30_000);
    assert.equal(store.count('release'), releases + 1, 'the last one, after the timeout of 5 s');
  });

  test('it stops a ttl after the acquire may last have come, whatever the store says', async () => {
    store.answers.acquire = [cut];
    store.answers.release = [cut];
    await failure(tryAcquire(store, 'import', { ttl: 2_000 }), 0);
    await clock.advance(20_000);
    const releases = store.count('release');
    await clock.advance(100_000);
    assert.equal(store.count('release'), releases);
    assert.equal(clock.timers.size, 0);
  });

  test('an acquire that a client held back for minutes is undone when it is carried out', async () => {
    let carryOut = (_: Attempt) => {};
    store.answers.acquire = [
      new Promise<Attempt>((resolve) => {
        carryOut = resolve;
      }),
    ];
    store.answers.release = [cut];
    await failure(tryAcquire(store, 'import', { ttl: 10_000 }), 5_001);
    await clock.advance(600_000);
    const before = store.count('release');
    store.answers.release = [true];
    carryOut(granted);
    await clock.advance(1_000);
    assert.ok(store.count('release') > before);
    assert.equal(clock.timers.size, 0);
  });

  test('a late refusal needs no undo beyond the first', async () => {
    let refuse = (_: Attempt) => {};
    store.answers.acquire = [
      new Promise<Attempt>((resolve) => {
        refuse = resolve;
      }),
    ];
    store.answers.release = [false];
    await failure(tryAcquire(store, 'import'), 5_001);
    refuse(refused);
    await clock.advance(1_000);
    assert.ok(store.count('release') <= 3);
    assert.equal(clock.timers.size, 0);
  });
});

describe('a signal', () => {
  test('aborted before: rejects with its reason, without a request', async () => {
    const reason = new Error('no more');
    await assert.rejects(
      tryAcquire(store, 'import', { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    );
    assert.equal(store.requests.length, 0);
  });

  test('aborted meanwhile: rejects at once with its reason, and what was asked is undone', async () => {
    const controller = new AbortController();
    let grant = (_: Attempt) => {};
    store.answers.acquire = [
      new Promise<Attempt>((resolve) => {
        grant = resolve;
      }),
    ];
    const outcome = tryAcquire(store, 'import', { signal: controller.signal }).catch(
      (error) => error,
    );
    await settled();
    controller.abort('enough');
    assert.equal(await outcome, 'enough');
    grant(granted);
    await clock.advance(10_000);
    assert.ok(store.count('release') >= 1);
    assert.equal(clock.timers.size, 0);
  });

  test('aborted after the grant: no effect on the lease', async () => {
    const controller = new AbortController();
    const lease = await tryAcquire(store, 'import', { signal: controller.signal });
    controller.abort();
    assert.equal(lease?.held, true);
    assert.equal(lease.signal.aborted, false);
    await lease.release();
  });
});

describe('an answer that cannot be made a lease', () => {
  const broken: Record<string, () => Attempt> = {
    'a fence that throws': () => ({
      granted: true,
      get fence(): number {
        throw new Error('no fence to be had');
      },
    }),
    'a fence that is no number': () => ({ granted: true, fence: '7' as never }),
    'a grant that is no boolean': () => ({ granted: 1 as never }),
  };
  for (const [what, answer] of Object.entries(broken)) {
    test(`${what}: a StoreError, and the lock is given back`, async () => {
      store.answers.acquire = [answer];
      const outcome = tryAcquire(store, 'import');
      await assert.rejects(outcome, StoreError);
      await clock.advance(10_000);
      assert.ok(store.count('release') >= 1);
      await clock.advance(60_000);
      assert.equal(clock.timers.size, 0);
    });
  }

  test('a clock that fails after the grant: the lock is given back, and the next is served', async () => {
    const { wall } = clock;
    store.answers.acquire = [
      async () => {
        clock.wall = () => {
          throw new TypeError('no time to be had');
        };
        return { granted: true };
      },
      { granted: true },
    ];
    await assert.rejects(tryAcquire(store, 'import'), /no time to be had/);
    clock.wall = wall;
    await clock.advance(1_000);
    assert.ok(store.count('release') >= 1);
    const next = await acquire(store, 'import', { wait: 1_000 });
    assert.equal(next.held, true);
    await next.release();
  });
});

test('the ttl, the timeout and the limit are the store’s, unless named', async () => {
  await using one = await tryAcquire(store, 'import');
  await using two = await tryAcquire({ ...bare(store), ttl: 700 }, 'import');
  await using three = await tryAcquire(bare(store), 'import');
  await using four = await tryAcquire(store, 'import', { ttl: 900 });
  assert.ok(one && two && three && four);
  assert.deepEqual(
    store.requests.map(({ ttl }) => ttl),
    [30_000, 700, 30_000, 900],
  );
});

/** A store that names no defaults of its own. */
function bare(store: ScriptedStore) {
  return {
    acquire: store.acquire.bind(store),
    extend: store.extend.bind(store),
    release: store.release.bind(store),
  };
}
