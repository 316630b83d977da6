/** Leases: their deadline on two clocks, renewal, release and disposal. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { adopt, tryAcquire } from '../../src/api/acquire.js';
import type { LeaseOptions } from '../../src/asking/terms.js';
import { pause, useClock } from '../../src/base/clock.js';
import { LeaseLostError, StoreError } from '../../src/base/errors.js';
import type { Lease } from '../../src/lease/lease.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../support/scripted-store.js';
import { rememberWarnings } from '../support/warnings.js';

let clock: FakeClock;
let store: ScriptedStore;
const warnings = rememberWarnings();

beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => {
  useClock();
});

async function take(options: LeaseOptions = {}): Promise<Lease> {
  const lease = await tryAcquire(store, 'import', { ttl: 30_000, ...options });
  assert.ok(lease);
  return lease;
}

/** The margin of a lease of 30 s: 1 % and 2 ms. */
const validity = 30_000 - 302;

describe('the deadline', () => {
  test('is ttl less margin; the signal aborts there, by a timer of its own', async () => {
    const lease = await take({ renew: false });
    const { signal } = lease;
    await clock.advance(validity - 1);
    assert.equal(lease.held, true);
    assert.equal(lease.remaining, 1);
    await clock.advance(1);
    assert.equal(signal.aborted, true);
    assert.ok(signal.reason instanceof LeaseLostError);
    assert.match(signal.reason.message, /"import".*time ran out/);
    assert.equal(
      clock.timers.size <= 1,
      true,
      'but for the look at the clocks, which ends by itself',
    );
    await clock.advance(1_000);
    assert.equal(clock.timers.size, 0);
  });

  test('holds when every extension fails, and then names the trouble', async () => {
    store.answers.extend = [cut];
    const lease = await take();
    const { signal } = lease;
    await clock.advance(validity);
    assert.equal(signal.aborted, true);
    assert.ok(signal.reason.cause instanceof StoreError);
    assert.equal(signal.reason.cause.cause, cut);
    assert.ok(store.count('extend') >= 4 && store.count('extend') <= 12);
  });

  test('holds when extensions are never answered', async () => {
    store.answers.extend = [never];
    const { signal } = await take();
    await clock.advance(validity - 1);
    assert.equal(signal.aborted, false);
    await clock.advance(1);
    assert.equal(signal.aborted, true);
  });

  test('a blocked event loop: what is asked is right before any timer ran', async () => {
    const lease = await take();
    clock.block(validity);
    assert.equal(lease.held, false);
    assert.equal(lease.remaining, 0);
    assert.throws(() => lease.assertHeld(), LeaseLostError);
    assert.equal(lease.signal.aborted, true);
  });

  test('a blocked event loop: an answer that comes after the deadline revives nothing', async () => {
    let answer = (_: boolean) => {};
    store.answers.extend = [
      new Promise<boolean>((resolve) => {
        answer = resolve;
      }),
    ];
    const lease = await take();
    const extension = lease.extend();
    clock.block(validity);
    answer(true);
    await assert.rejects(extension, LeaseLostError);
    assert.equal(lease.held, false);
  });

  test('the wall clock set an hour ahead: lost, and told within a second', async () => {
    const lease = await take({ renew: false });
    const { signal } = lease;
    await clock.advance(1_500);
    clock.step(3_600_000);
    assert.equal(signal.aborted, false);
    await clock.advance(1_000);
    assert.equal(signal.aborted, true);
    assert.equal(lease.held, false);
  });

  test('the wall clock set an hour back changes nothing', async () => {
    const lease = await take({ renew: false });
    const { signal } = lease;
    await clock.advance(1_000);
    clock.step(-3_600_000);
    await clock.advance(validity - 1_001);
    assert.equal(lease.held, true);
    await clock.advance(1);
    assert.equal(signal.aborted, true);
  });

  test('a suspended machine loses the lease: right at once, told at the first tick', async () => {
    const lease = await take({ ttl: 3_600_000 });
    const { signal } = lease;
    await clock.advance(60_000);
    clock.suspend(2 * 3_600_000);
    await clock.advance(1_000);
    assert.equal(signal.aborted, true);
    assert.equal(lease.held, false);
  });

  test('a short sleep of the machine loses nothing, and the renewal comes in time', async () => {
    const lease = await take();
    clock.suspend(15_000);
    assert.equal(lease.remaining, validity - 15_000);
    await clock.advance(12_000);
    assert.equal(store.count('extend') >= 1, true);
    assert.equal(lease.held, true);
    await lease.release();
  });

  test('a ttl longer than any timer: 60 days, in pieces', async () => {
    const day = 24 * 3_600_000;
    const { signal } = await take({ ttl: 60 * day, renew: false });
    for (let passed = 0; passed < 59; passed++) {
      clock.block(day - 1_000);
      await clock.advance(1_000);
    }
    assert.equal(signal.aborted, false);
    clock.block(day - 1_000);
    await clock.advance(1_000);
    assert.equal(signal.aborted, true);
  });
});

describe('renewal', () => {
  test('comes each third of the ttl or a little earlier, and holds the lease', async () => {
    const lease = await take();
    await clock.advance(300_000);
    assert.equal(lease.held, true);
    const renewals = store.count('extend');
    assert.ok(renewals >= 29 && renewals <= 36, `${renewals}`);
    await lease.release();
    await clock.advance(100_000);
    assert.equal(store.count('extend'), renewals);
    assert.equal(clock.timers.size, 0);
  });

  test('is not done unless wanted', async () => {
    const lease = await take({ renew: false });
    await clock.advance(25_000);
    assert.equal(store.count('extend'), 0);
    await lease.release();
  });

  test('one at a time: a slow answer is waited for, no longer than a third of the ttl', async () => {
    store.answers.extend = [never];
    const lease = await tryAcquire({ ...spread(store), timeout: 60_000 }, 'import', {
      ttl: 30_000,
    });
    await clock.advance(18_400);
    assert.equal(store.count('extend'), 1);
    await clock.advance(2_000);
    assert.equal(store.count('extend'), 2);
    await lease?.release();
  });

  test('counts from when its own request left', async () => {
    store.answers.extend = [
      () => new Promise((resolve) => clock.setTimer(() => resolve(true), 3_000)),
    ];
    const lease = await take();
    const extension = lease.extend(20_000);
    await clock.advance(3_000);
    await extension;
    assert.equal(lease.remaining, 20_000 - 202 - 3_000);
    await lease.release();
  });

  test('“not yours” is a loss at once, and nothing is asked again', async () => {
    store.answers.extend = [false];
    const { signal } = await take();
    await clock.advance(10_001);
    assert.equal(signal.aborted, true);
    assert.match(signal.reason.message, /not ours/);
    await clock.advance(60_000);
    assert.equal(store.count('extend'), 1);
  });

  test('a ttl of 50 ms neither spins nor floods', async () => {
    const lease = await take({ ttl: 50 });
    await clock.advance(1_000);
    assert.ok(store.count('extend') >= 50 && store.count('extend') <= 75);
    store.answers.extend = [cut];
    const before = store.count('extend');
    await clock.advance(100);
    assert.equal(lease.held, false);
    assert.ok(store.count('extend') - before <= 13, `${store.count('extend') - before}`);
  });

  test('extensions wait for one another', async () => {
    let inFlight = 0;
    let most = 0;
    store.answers.extend = [
      () => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        return new Promise((resolve) =>
          clock.setTimer(() => {
            inFlight -= 1;
            resolve(true);
          }, 50),
        );
      },
    ];
    const lease = await take();
    const all = Promise.all([1, 2, 3, 4].map((n) => lease.extend(n * 10_000)));
    await clock.advance(1_000);
    await all;
    assert.equal(most, 1);
    assert.equal(store.count('extend'), 4);
    await lease.release();
  });

  test('an extension sets the ttl of the renewals to come; a bad one changes nothing', async () => {
    const lease = await take();
    await assert.rejects(lease.extend(0), RangeError);
    await assert.rejects(lease.extend('1' as never), TypeError);
    await lease.extend(3_000);
    await clock.advance(10_000);
    assert.ok(store.requests.slice(1).every(({ ttl }) => ttl === 3_000));
    assert.ok(store.count('extend') >= 9);
    await lease.release();
  });

  test('a shorter life in doubt is believed, a longer one is not', async () => {
    store.answers.extend = [cut];
    const lease = await take({ renew: false });
    await assert.rejects(lease.extend(60_000), StoreError);
    assert.equal(lease.remaining, validity);
    await assert.rejects(lease.extend(1_000), StoreError);
    assert.equal(lease.remaining, 1_000 - 12);
    await lease.release();
  });
});

describe('extensions that are carried out late', () => {
  test('while a shorter life may still be set, no longer one is relied on', async () => {
    store.answers.extend = [cut, true];
    const lease = await take({ renew: false });
    await assert.rejects(lease.extend(2_000), StoreError);
    await lease.extend(60_000);
    assert.ok(lease.remaining <= 2_000 - 22);
    await clock.advance(1_000);
    await lease.extend(60_000);
    assert.ok(lease.remaining <= 2_000 - 22);
    await clock.advance(1_900);
    await lease.extend(2_000);
    await clock.advance(1_900);
    await lease.extend(2_000);
    await clock.advance(1_900);
    await lease.extend(60_000);
    assert.ok(lease.remaining > 59_000, 'the store has had its time to carry it out');
    await lease.release();
  });

  test('as long as the client holds a shorter life back, no longer one is relied on', async () => {
    let fail = (_: Error) => {};
    const heldBack = new Promise<boolean>((_, reject) => {
      fail = reject;
    });
    store.answers.extend = [heldBack, true];
    const lease = await take({ renew: false });
    const doubtful = assert.rejects(lease.extend(20_000), StoreError);
    await clock.advance(5_001);
    await doubtful;
    for (let passed = 0; passed < 60_000; passed += 10_000) {
      await clock.advance(10_000);
      await lease.extend(60_000);
      assert.ok(lease.remaining <= 20_000);
    }
    fail(cut);
    await clock.advance(4_000);
    clock.step(2_000);
    await lease.extend(60_000);
    assert.ok(lease.remaining <= 20_000, 'it may be on its way');
    await clock.advance(1_001);
    await lease.extend(60_000);
    assert.ok(lease.remaining > 59_000);
    await lease.release();
  });

  test('a shorter life goes with the lease to the next process', async () => {
    store.answers.extend = [cut, true];
    const lease = await take({ renew: false });
    await assert.rejects(lease.extend(2_000), StoreError);
    await lease.extend(60_000);
    const ticket = lease.handOver();
    assert.equal(ticket.ttl, 2_000);
    const adopted = await adopt(store, ticket, { renew: false });
    assert.ok(adopted);
    await adopted.extend(60_000);
    assert.ok(adopted.remaining <= 2_000, 'what the last holder sent may still come');
    for (let passed = 0; passed < 6_000; passed += 1_000) {
      await clock.advance(1_000);
      await adopted.extend(60_000);
    }
    assert.ok(adopted.remaining > 59_000);
    await adopted.release();
  });

  test('adopted at the second attempt: what the first one asked for may still come', async () => {
    const ticket = (await take()).handOver();
    store.answers.extend = [cut, true];
    await assert.rejects(adopt(store, ticket, { ttl: 600 }), StoreError);
    const adopted = await adopt(store, ticket);
    assert.ok(adopted);
    assert.ok(adopted.remaining <= 600);
    await clock.advance(6_000);
    assert.equal(adopted.held, true, 'it is renewed in time');
    assert.ok(adopted.remaining > 15_000, 'and for its whole ttl once that cannot come any more');
    await adopted.release();
    const other = (await take()).handOver();
    store.answers.extend = [true];
    assert.ok(Number((await adopt(store, other))?.remaining) > 15_000);
  });
});

describe('release', () => {
  test('true: it was ours; the signal stays quiet; a second call asks nothing', async () => {
    const lease = await take();
    const { signal } = lease;
    assert.equal(await lease.release(), true);
    assert.equal(await lease.release(), true);
    assert.equal(store.count('release'), 1);
    assert.equal(signal.aborted, false);
    assert.equal(lease.held, false);
    assert.equal(lease.remaining, 0);
    assert.throws(() => lease.assertHeld(), /released/);
    await assert.rejects(lease.extend(), LeaseLostError);
    assert.equal(clock.timers.size <= 1, true);
  });

  test('false, “not yours”: aborts the signal like any loss', async () => {
    store.answers.release = [false];
    const lease = await take();
    const { signal } = lease;
    assert.equal(await lease.release(), false);
    assert.equal(signal.aborted, true);
    assert.ok(signal.reason instanceof LeaseLostError);
  });

  test('past the deadline: false, and aborts the signal', async () => {
    const lease = await take();
    const { signal } = lease;
    clock.block(validity);
    assert.equal(await lease.release(), false);
    assert.equal(signal.aborted, true);
  });

  test('past the deadline, and the store is down: false all the same, and soon', async () => {
    store.answers.release = [cut];
    const lease = await take();
    clock.block(validity);
    assert.equal(await lease.release(), false);
    await clock.advance(60_000);
    assert.ok(store.count('release') >= 3, 'what is left is given back in the background');
    assert.equal(clock.timers.size, 0);
  });

  test('in doubt: StoreError, the same for a second call, and repeated in the background', async () => {
    store.answers.release = [cut, cut, true];
    const lease = await take();
    const error = await lease.release().catch((error) => error);
    assert.ok(error instanceof StoreError);
    assert.equal(await lease.release().catch((error) => error), error);
    await clock.advance(60_000);
    assert.ok(store.count('release') >= 3);
    assert.equal(clock.timers.size, 0);
  });

  test('after: lets it lapse instead; checked first', async () => {
    const lease = await take();
    for (const after of [-1, 1.5, NaN]) await assert.rejects(lease.release({ after }), RangeError);
    assert.equal(lease.held, true);
    assert.equal(await lease.release({ after: 5_000 }), true);
    assert.equal(lease.held, false);
    assert.deepEqual(
      store.requests.slice(1).map(({ operation, ttl }) => [operation, ttl]),
      [['extend', 5_000]],
    );
  });

  test('after: what may still come of a doubtful request is taken back then', async () => {
    for (const doubtful of ['acquire', 'extend'] as const) {
      store = new ScriptedStore();
      if (doubtful === 'acquire') store.answers.acquire = [cut, { granted: true }];
      else store.answers.extend = [cut, true];
      const lease = await take();
      await clock.advance(doubtful === 'acquire' ? 1_000 : 10_000);
      assert.equal(await lease.release({ after: 3_000 }), true);
      await clock.advance(2_990);
      assert.equal(store.count('release'), 0, doubtful);
      await clock.advance(20);
      assert.equal(store.count('release'), 1, doubtful);
      await clock.advance(60_000);
    }
  });

  test('after 40 days: not before, though no timer of Node.js lasts so long', async () => {
    const days = 24 * 3_600_000;
    store.answers.acquire = [cut, { granted: true }];
    const lease = await take();
    assert.equal(await lease.release({ after: 40 * days }), true);
    for (let day = 1; day < 40; day++) await clock.advance(days);
    assert.equal(store.count('release'), 0);
    clock.step(2 * days);
    await clock.advance(days - 10);
    assert.equal(store.count('release'), 0, 'whatever the clock on the wall says');
    await clock.advance(20);
    assert.equal(store.count('release'), 1);
    await clock.advance(60_000);
  });

  test('past the deadline, what may still come of a doubtful acquire is taken back', async () => {
    store.answers.acquire = [cut, { granted: true }];
    store.answers.release = [false];
    const lease = await take({ ttl: 1_000, renew: false });
    await clock.advance(1_000);
    assert.equal(await lease.release(), false);
    await clock.advance(30_000);
    assert.ok(store.count('release') > 1);
  });

  test('minHold: what is left of it, by the clock that cannot be set', async () => {
    const lease = await take({ minHold: 20_000 });
    await clock.advance(4_000);
    clock.step(5_000);
    assert.equal(await lease.release(), true);
    assert.equal(store.requests.at(-1)?.operation, 'extend');
    assert.equal(store.requests.at(-1)?.ttl, 16_000);
  });

  test('minHold counts from the grant, however late that comes', async () => {
    store.answers.acquire = [() => pause(3_000).then(() => ({ granted: true }))];
    const lease = await clock.passing(take({ minHold: 20_000 }));
    assert.ok(lease);
    await lease.release();
    assert.equal(store.requests.at(-1)?.ttl, 20_000);
  });

  test('minHold that is over: a plain release', async () => {
    const lease = await take({ minHold: 2_000 });
    await clock.advance(2_000);
    assert.equal(await lease.release(), true);
    assert.equal(store.requests.at(-1)?.operation, 'release');
  });

  test('minHold of a lease that was lost: nothing is asked, nothing revived', async () => {
    const lease = await take({ minHold: 60_000 });
    clock.block(validity);
    const before = store.requests.length;
    assert.equal(await lease.release(), false);
    assert.equal(store.requests.length, before);
  });
});

describe('disposal', () => {
  test('on normal end and on throw; the error of the body survives a release that fails', async () => {
    {
      await using lease = await take();
      assert.ok(lease.held);
    }
    assert.equal(store.count('release'), 1);

    store.answers.release = [cut];
    const bodyError = new Error('the body failed');
    const run = async () => {
      await using _lease = await take();
      throw bodyError;
    };
    await assert.rejects(run, (error) => error === bodyError);
    await settled();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? '', /failed to release lock "import"/);
  });

  test('a null lease disposes fine', async () => {
    store.answers.acquire = [{ granted: false }];
    await using lease = await tryAcquire(store, 'import');
    assert.equal(lease, null);
  });

  test('tells by a warning what it had to swallow, unless somebody looked at the signal', async () => {
    store.answers.release = [false];
    await (await take())[Symbol.asyncDispose]();
    await settled();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]?.message ?? '', /"import" was lost/);

    const watched = await take();
    void watched.signal;
    await watched[Symbol.asyncDispose]();
    const released = await take();
    await released.release();
    await released[Symbol.asyncDispose]();
    await settled();
    assert.equal(warnings.length, 1);
  });
});

describe('the reason of a loss', () => {
  test('is not that of an earlier question whether the lease was held', async () => {
    const lease = await take();
    const { signal } = lease;
    store.answers.release = [false];
    const released = lease.release();
    assert.throws(() => lease.assertHeld(), /released or handed over/);
    assert.equal(await released, false);
    assert.match(signal.reason.message, /not ours/);
    assert.throws(() => lease.assertHeld(), signal.reason);
  });
});

describe('a lease in a console', () => {
  test('shows its name, state, remaining life and fence, and never the token', async () => {
    store.answers.acquire = [{ granted: true, fence: 7 }];
    const [held, released, handedOver, lost] = await Promise.all(
      Array.from({ length: 4 }, () => take()),
    );
    assert.ok(held && released && handedOver && lost);
    await released.release();
    handedOver.handOver();
    store.answers.extend = [false];
    await lost.extend().catch(() => {});
    assert.equal(
      inspect(held),
      "Lease { name: 'import', state: 'held', remaining: 29698, fence: 7 }",
    );
    for (const [lease, state] of [
      [released, 'released'],
      [handedOver, 'handed over'],
      [lost, 'lost'],
    ] as const) {
      assert.match(inspect(lease), new RegExp(`state: '${state}', remaining: 0`));
    }
    for (const lease of [held, released, handedOver, lost]) {
      const shown = inspect({ lease }, { showHidden: true, depth: 9 }) + JSON.stringify(lease);
      assert.doesNotMatch(shown, new RegExp(lease.token.slice(0, 9)));
    }
    await held.release();
  });

  test('is changed by nothing that looks at it', async () => {
    const lease = await take({ renew: false });
    const { signal } = lease;
    clock.block(validity);
    assert.match(inspect(lease), /state: 'lost', remaining: 0/);
    assert.equal(lease.held, false);
    assert.equal(lease.remaining, 0);
    assert.equal(lease.signal.aborted, true);
    assert.equal(signal.aborted, false);
    const { reason } = lease.signal;
    await clock.advance(1);
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason, reason);
    assert.equal(lease.signal, signal);
  });
});

/** The operations of a store, to be given other limits. */
function spread(store: ScriptedStore) {
  return {
    acquire: store.acquire.bind(store),
    extend: store.extend.bind(store),
    release: store.release.bind(store),
  };
}
