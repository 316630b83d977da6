/** lead: one term after the other, through losses and outages, until the body resigns, fails or is told to end. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lead } from '../../src/api/lead.js';
import type { LeadOptions } from '../../src/asking/terms.js';
import { useClock } from '../../src/base/clock.js';
import { LeaseLostError, StoreError } from '../../src/base/errors.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Attempt } from '../../src/store.js';
import { FakeClock } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';
import { rememberWarnings } from '../support/warnings.js';

const granted: Attempt = { granted: true };
const refused: Attempt = { granted: false, retryAfter: 10_000 };
/** In milliseconds: several times the ttl. */
const long = 120_000;
const shutdown = new Error('shutdown');

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

/** A term as the test sees it: it lasts until the test ends it, in its way. */
interface Term {
  readonly lease: Lease;
  readonly resign: (value: string) => void;
  readonly fail: (error: unknown) => void;
}

/** Leads, one term after the other, each of which the test ends. */
function startLeading(options?: LeadOptions) {
  const terms: Term[] = [];
  const outcome = lead<string>(
    store,
    'import',
    (lease) =>
      new Promise((resign, fail) => {
        terms.push({ lease, resign, fail });
      }),
    options,
  );
  outcome.catch(() => {});
  const current = async () => {
    await clock.advance(0);
    return terms.at(-1) ?? assert.fail('nobody leads');
  };
  return { outcome, terms, current };
}

/** The lease is lost: at its next renewal the store says that it is not ours. */
async function lose({ lease }: Term): Promise<void> {
  store.answers.extend = [false];
  await clock.advance(10_000);
  assert.equal(lease.signal.aborted, true);
  store.answers.extend = [true];
}

/** The operations that the store was asked for, in order. */
const operations = () => store.requests.map(({ operation }) => operation).join(' ');

describe('a term', () => {
  test('ends when the body returns: it has resigned, and its value is that of all', async () => {
    const leader = startLeading();
    const { lease, resign } = await leader.current();
    assert.equal(lease.held, true);
    await clock.advance(long);
    assert.equal(lease.held, true);
    resign('done');
    assert.equal(await leader.outcome, 'done');
    assert.match(operations(), /^acquire( extend)+ release$/);
    await clock.advance(1_000);
    assert.equal(clock.timers.size, 0);
  });

  test('begins once the lock is free, however long that takes', async () => {
    store.answers.acquire = [refused];
    const leader = startLeading();
    await clock.advance(long);
    assert.equal(leader.terms.length, 0);
    store.answers.acquire = [granted];
    await clock.advance(10_000);
    (await leader.current()).resign('at last');
    assert.equal(await leader.outcome, 'at last');
  });

  test('that was lost is followed by another, once its body has ended and not before', async () => {
    const leader = startLeading();
    const first = await leader.current();
    await lose(first);
    await clock.advance(long);
    assert.equal(leader.terms.length, 1);
    assert.equal(store.count('acquire'), 1, 'it does not even ask');
    first.resign('too late');
    const second = await leader.current();
    assert.equal(leader.terms.length, 2);
    assert.notEqual(second.lease, first.lease);
    assert.equal(second.lease.signal.aborted, false);
    second.resign('done');
    assert.equal(await leader.outcome, 'done');
    assert.deepEqual(warnings, []);
  });

  test('that lasted to its deadline, since the store was out of reach, is followed by another', async () => {
    store.answers.extend = [cut];
    const leader = startLeading();
    const first = await leader.current();
    await clock.advance(30_000);
    assert.match(first.lease.signal.reason.message, /time ran out/);
    store.answers.acquire = [cut];
    first.resign('too late');
    await clock.advance(long);
    store.answers.acquire = [granted];
    store.answers.extend = [true];
    await clock.advance(10_000);
    assert.equal(leader.terms.length, 2);
    (await leader.current()).resign('done');
    assert.equal(await leader.outcome, 'done');
  });

  test('whose loss comes to light when it is given back does not count', async () => {
    store.answers.release = [false, true];
    const leader = startLeading();
    (await leader.current()).resign('not under the lock');
    await clock.advance(0);
    assert.equal(leader.terms.length, 2);
    (await leader.current()).resign('done');
    assert.equal(await leader.outcome, 'done');
  });

  test('counts if it cannot be told whether it was given back', async () => {
    store.answers.release = [cut];
    const leader = startLeading();
    (await leader.current()).resign('done');
    assert.equal(await clock.passing(leader.outcome), 'done');
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['DLOCK_RELEASE_IN_DOUBT'],
    );
  });

  test('may be given back early, or handed over: it has resigned all the same', async () => {
    const released = startLeading();
    const first = await released.current();
    assert.equal(await first.lease.release(), true);
    first.resign('released');
    assert.equal(await released.outcome, 'released');

    const handedOver = startLeading();
    const second = await handedOver.current();
    assert.equal(second.lease.handOver().token, second.lease.token);
    second.resign('handed over');
    assert.equal(await handedOver.outcome, 'handed over');
  });
});

describe('a body that throws because its lease was lost leads again', () => {
  const ways: Record<string, (lease: Lease) => unknown> = {
    'the reason of the signal': ({ signal }) => signal.reason,
    'what assertHeld throws': (lease) => {
      try {
        lease.assertHeld();
      } catch (error) {
        return error;
      }
      return assert.fail('it is lost');
    },
    'an error with that as its cause': ({ signal }) => new Error('no', { cause: signal.reason }),
    'an error with such an error as its cause': ({ signal }) =>
      new Error('no', { cause: new Error('no', { cause: signal.reason }) }),
    'an AbortError': () => new DOMException('aborted', 'AbortError'),
  };
  for (const [what, errorOf] of Object.entries(ways)) {
    test(what, async () => {
      const leader = startLeading();
      const first = await leader.current();
      await lose(first);
      first.fail(errorOf(first.lease));
      const second = await leader.current();
      assert.equal(leader.terms.length, 2);
      second.resign('done');
      assert.equal(await leader.outcome, 'done');
      assert.deepEqual(warnings, []);
    });
  }

  test('what a function of Node.js throws that got the signal', async () => {
    let terms = 0;
    const outcome = lead(store, 'import', async ({ signal }) => {
      terms += 1;
      if (terms === 1) await sleep(60_000, undefined, { signal });
      return 'done';
    });
    store.answers.extend = [false];
    assert.equal(await clock.passing(outcome), 'done');
    assert.equal(terms, 2);
  });
});

describe('any other error of the body ends it', () => {
  const fault = new Error('a fault');

  test('with exactly that error, and the lock is given back', async () => {
    const leader = startLeading();
    (await leader.current()).fail(fault);
    await assert.rejects(leader.outcome, (error) => error === fault);
    assert.equal(operations(), 'acquire release');
  });

  test('thrown by a body that is no async function', async () => {
    const outcome = lead(store, 'import', () => {
      throw fault;
    });
    await assert.rejects(outcome, (error) => error === fault);
  });

  test('also if the lease was lost, or the caller told it to end', async () => {
    const controller = new AbortController();
    const leader = startLeading({ signal: controller.signal });
    const first = await leader.current();
    await lose(first);
    first.fail(fault);
    await assert.rejects(leader.outcome, (error) => error === fault);

    const aborted = startLeading({ signal: controller.signal });
    const term = await aborted.current();
    controller.abort(shutdown);
    term.fail(fault);
    await assert.rejects(aborted.outcome, (error) => error === fault);
    assert.equal(store.count('acquire'), 2);
  });

  for (const [what, error] of [
    ['an AbortError that nobody told it', new DOMException('aborted', 'AbortError')],
    ['a loss of another lock', new LeaseLostError('lost', { lock: 'another' })],
    ['undefined', undefined],
  ] as const) {
    test(what, async () => {
      const leader = startLeading();
      (await leader.current()).fail(error);
      await assert.rejects(leader.outcome, (thrown) => thrown === error);
      assert.equal(leader.terms.length, 1);
    });
  }
});

describe('an outage', () => {
  /** When the store was asked to acquire, in milliseconds; an attempt that fails asks twice. */
  let asked: number[];
  let answers: (at: number) => Attempt | Error;
  beforeEach(() => {
    asked = [];
    const begin = clock.monotonic();
    store.answers.acquire = [
      async () => {
        const at = clock.monotonic() - begin;
        if (asked.at(-1) !== at) asked.push(at);
        const answer = answers(at);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    ];
  });
  const pausesBetween = (times: number[]) =>
    times.slice(1).map((at, index) => at - (times[index] ?? 0));

  test('is ridden out, with pauses that grow from a second to a third of the ttl', async () => {
    answers = () => cut;
    const leader = startLeading({ ttl: 30_000 });
    await clock.advance(long);
    const longest = [1_000, 2_000, 4_000, 8_000, 10_000, 10_000];
    const pauses = pausesBetween(asked);
    assert.ok(pauses.length >= long / 10_000);
    for (const [index, pause] of pauses.entries()) {
      const most = longest[index] ?? 10_000;
      assert.ok(pause <= most + 1 && pause >= 0.75 * most, `${pause} ms, of ${most}`);
    }
    answers = () => granted;
    await clock.advance(10_001);
    (await leader.current()).resign('done');
    assert.equal(await leader.outcome, 'done');
    assert.deepEqual(warnings, []);
  });

  test('in which nothing answers: each attempt has its time, and a pause behind it', async () => {
    store.answers.acquire = [() => new Promise(() => {})];
    const leader = startLeading({ ttl: 30_000 });
    await clock.advance(60_000);
    // After 5 s without an answer, and pauses of 1, 2, 4, 8 and 10 s at most.
    assert.ok(store.count('acquire') >= 4 && store.count('acquire') <= 8);
    store.answers.acquire = [granted];
    await clock.advance(20_000);
    (await leader.current()).resign('done');
    assert.equal(await leader.outcome, 'done');
  });

  test('that comes after the store has answered begins with a short pause again', async () => {
    answers = (at) => (at < 60_000 || (at >= 120_000 && at < 140_000) ? cut : refused);
    const controller = new AbortController();
    const leader = startLeading({ signal: controller.signal });
    await clock.advance(200_000);
    const [first = 0, second = 0] = asked.filter((at) => at >= 120_000);
    assert.ok(second - first <= 1_001, `${second - first} ms`);
    controller.abort(shutdown);
    await assert.rejects(leader.outcome, (error) => error === shutdown);
  });
});

describe('an abort', () => {
  let controller: AbortController;
  beforeEach(() => {
    controller = new AbortController();
  });

  /** No time passes until it rejects. */
  async function assertShutDown(leader: ReturnType<typeof startLeading>): Promise<void> {
    await assert.rejects(leader.outcome, (error) => error === shutdown);
    await clock.advance(100_000);
    assert.equal(clock.timers.size, 0);
  }

  test('before: rejects with its reason, without a request', async () => {
    await assertShutDown(startLeading({ signal: AbortSignal.abort(shutdown) }));
    assert.equal(store.requests.length, 0);
  });

  test('while it waits for the lock: at once', async () => {
    store.answers.acquire = [refused];
    const leader = startLeading({ signal: controller.signal });
    await clock.advance(long);
    controller.abort(shutdown);
    await assertShutDown(leader);
    assert.equal(leader.terms.length, 0);
  });

  test('in an outage, between two attempts: at once', async () => {
    store.answers.acquire = [cut];
    const leader = startLeading({ signal: controller.signal });
    await clock.advance(60_000);
    const attempts = store.count('acquire');
    controller.abort(shutdown);
    await assertShutDown(leader);
    assert.equal(store.count('acquire'), attempts);
  });

  test('because of a trouble with a store: rejects with that, which is no outage of its own', async () => {
    const trouble = new StoreError('no answer', { lock: 'another', operation: 'acquire' });
    store.answers.acquire = [refused];
    const leader = startLeading({ signal: controller.signal });
    await clock.advance(1_000);
    controller.abort(trouble);
    await assert.rejects(leader.outcome, (error) => error === trouble);
  });

  const ends: Record<string, (term: Term) => void> = {
    returns: ({ resign }) => resign('too late'),
    'throws the reason': ({ lease, fail }) => fail(lease.signal.reason),
    'throws an AbortError': ({ fail }) => fail(new DOMException('aborted', 'AbortError')),
    'throws an error with the reason as its cause': ({ fail }) =>
      fail(new Error('stopped', { cause: shutdown })),
  };
  for (const [how, end] of Object.entries(ends)) {
    test(`while it leads tells the body, which ${how}: then the lock is freed, not before`, async () => {
      const leader = startLeading({ signal: controller.signal });
      const term = await leader.current();
      const { signal } = term.lease;
      controller.abort(shutdown);
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason, shutdown);
      await clock.advance(long);
      assert.equal(term.lease.held, true, 'it is renewed meanwhile');
      term.lease.assertHeld();
      assert.equal(store.count('release'), 0);
      end(term);
      await assertShutDown(leader);
      assert.equal(store.count('release'), 1);
      assert.equal(leader.terms.length, 1);
      assert.deepEqual(warnings, []);
    });
  }

  test('and then a loss, or the other way round: rejects with its reason', async () => {
    for (const isLostFirst of [true, false]) {
      controller = new AbortController();
      const leader = startLeading({ signal: controller.signal });
      const term = await leader.current();
      const abort = async () => controller.abort(shutdown);
      for (const happen of isLostFirst ? [lose, abort] : [abort, lose]) await happen(term);
      term.fail(new LeaseLostError('lost', { lock: 'import' }));
      await assertShutDown(leader);
    }
  });

  test('of which the body hears that asks for the signal late only', async () => {
    const leader = startLeading({ signal: controller.signal });
    const term = await leader.current();
    controller.abort(shutdown);
    assert.equal(term.lease.signal.reason, shutdown);
    term.resign('too late');
    await assertShutDown(leader);
  });

  test('while the lock is given back comes too late: the body had resigned', async () => {
    let release = (_: boolean) => {};
    store.answers.release = [
      new Promise<boolean>((resolve) => {
        release = resolve;
      }),
    ];
    const leader = startLeading({ signal: controller.signal });
    (await leader.current()).resign('done');
    await clock.advance(0);
    assert.equal(store.count('release'), 1);
    controller.abort(shutdown);
    release(true);
    assert.equal(await leader.outcome, 'done');
  });
});

describe('invalid arguments are refused before any request', () => {
  const never = () => assert.fail('it leads');
  const calls: Record<string, () => Promise<unknown>> = {
    'no store': () => lead(undefined as never, 'import', never),
    'no name': () => lead(store, '', never),
    'a name that begins with NUL': () => lead(store, '\0', never),
    'no body': () => lead(store, 'import', { ttl: 1_000 } as never),
    'no options but null': () => lead(store, 'import', never, null as never),
    'a wait': () => lead(store, 'import', never, { wait: 1_000 } as never),
    'a limit': () => lead(store, 'import', never, { limit: 2 } as never),
    'a signal that is none': () => lead(store, 'import', never, { signal: {} as never }),
    'renew that is no boolean': () => lead(store, 'import', never, { renew: 1 as never }),
  };
  for (const [what, call] of Object.entries(calls)) {
    test(what, async () => {
      await assert.rejects(call(), TypeError);
      assert.equal(store.requests.length, 0);
    });
  }

  test('a ttl of nothing', async () => {
    await assert.rejects(lead(store, 'import', never, { ttl: 0 }), RangeError);
    assert.equal(store.requests.length, 0);
  });
});
