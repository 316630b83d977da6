/** Several locks at once: all or none, in one order; and what a group of leases means. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { tryAcquire } from '../../src/api/acquire.js';
import { acquireAll, tryAcquireAll } from '../../src/api/all.js';
import { settled as backgroundSettled } from '../../src/api/settled.js';
import { pause, useClock } from '../../src/base/clock.js';
import { AcquireTimeoutError, LeaseLostError, StoreError } from '../../src/base/errors.js';
import type { Leases } from '../../src/lease/leases.js';
import type { LockStore } from '../../src/store.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { altered, thief } from '../../src/testing/fixture.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, never } from '../support/scripted-store.js';
import { rememberWarnings } from '../support/warnings.js';

let clock: FakeClock;
let memory: MemoryStore;
/** The memory, through a store whose requests are seen and can be made to fail. */
let store: LockStore;
/** What was asked, as `acquire a`. */
let requests: string[];
/** What an operation does in place of asking the memory, as `acquire a`. */
let instead: Record<string, () => Promise<never> | Promise<boolean>>;
const warnings = rememberWarnings();

beforeEach(() => {
  clock = FakeClock.install();
  memory = new MemoryStore();
  requests = [];
  instead = {};
  store = observed(memory);
});
afterEach(() => {
  useClock();
});

/** Another process, too: it has lines of its own. */
function observed(memory: LockStore): LockStore {
  const ask = <T>(request: string, send: () => Promise<T>): Promise<T> => {
    requests.push(request);
    return (instead[request] as undefined | (() => Promise<T>))?.() ?? send();
  };
  return altered(memory, {
    acquire: (...asked) => ask(`acquire ${asked[0]}`, () => memory.acquire(...asked)),
    extend: (...asked) => ask(`extend ${asked[0]}`, () => memory.extend(...asked)),
    release: (...asked) => ask(`release ${asked[0]}`, () => memory.release(...asked)),
  });
}

const requested = (operation: string) =>
  requests.filter((request) => request.startsWith(`${operation} `));

/** Holds a lock as another process would; ends after its life, or when it is released. */
async function holdAsStranger(name: string, ttl = 3_600_000) {
  assert.equal((await memory.acquire(name, thief, ttl)).granted, true);
}

/** Nothing goes on, nobody waits, and everybody can take these. */
async function assertNothingLeft(...names: string[]): Promise<void> {
  assert.equal(await clock.passing(backgroundSettled(store)), true);
  for (const name of names) {
    const { granted } = await memory.acquire(name, 'a'.repeat(32), 1_000);
    assert.equal(granted, true, name);
    await memory.release(name, 'a'.repeat(32));
  }
  await clock.advance(2_000);
  assert.equal(clock.timers.size, 0);
}

const failureOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => assert.fail('it should have failed'),
    (error) => error,
  );

/** The error of an attempt, and after how many milliseconds it came. */
async function failure(attempt: Promise<unknown>) {
  const start = clock.monotonic();
  const error = await clock.passing(failureOf(attempt));
  return { error, after: clock.monotonic() - start };
}

describe('taking all', () => {
  test('one after the other, by code units, duplicates once', async () => {
    const leases = await tryAcquireAll(store, ['b', 'ä', 'a', 'B', 'b', 'a']);
    assert.ok(leases);
    assert.deepEqual(requests, ['acquire B', 'acquire a', 'acquire b', 'acquire ä']);
    assert.deepEqual(
      [...leases].map(({ name }) => name),
      ['B', 'a', 'b', 'ä'],
    );
    assert.equal(await leases.release(), true);
    await assertNothingLeft('B', 'a', 'b', 'ä');
  });

  test('whatever order they are named in, two never wait for each other', async () => {
    const slowly = (store: LockStore) =>
      altered(store, {
        async acquire(...request) {
          await pause(10);
          return store.acquire(...request);
        },
      });
    const [one, two] = [slowly(memory), slowly(memory)];
    const section = async (store: LockStore, names: string[]) => {
      await using leases = await acquireAll(store, names, { wait: 5_000 });
      leases.assertHeld();
    };
    await clock.passing(Promise.all([section(one, ['a', 'b']), section(two, ['b', 'a'])]));
    await assertNothingLeft('a', 'b');
  });

  test('refused: null, what was taken is given back, and the holder keeps what it has', async () => {
    await holdAsStranger('c', 10_000);
    assert.equal(await tryAcquireAll(store, ['d', 'c', 'b', 'a']), null);
    await settled();
    assert.deepEqual(requests, ['acquire a', 'acquire b', 'acquire c', 'release a', 'release b']);
    await clock.advance(9_999);
    assert.equal(await tryAcquire(store, 'c'), null);
    await clock.advance(1);
    await assertNothingLeft('a', 'b', 'c', 'd');
  });

  test('of several tries at once at locks that overlap, one wins', async () => {
    const groups = ['ab', 'bc', 'ca', 'dcb'].map((names) => [...names]);
    const attempts = groups.map((names) => tryAcquireAll(observed(memory), names));
    const won = (await Promise.all(attempts)).filter((leases) => leases !== null);
    assert.ok(won.length > 0);
    for (const leases of won) await leases.release();
  });

  test('each as the options say', async () => {
    const leases = await acquireAll(store, ['a', 'b'], { ttl: 4_000, minHold: 2_000 });
    assert.ok(leases.remaining <= 4_000 && leases.remaining > 3_900);
    await leases.release();
    for (const name of ['a', 'b']) assert.equal(await tryAcquire(store, name), null);
    await clock.advance(2_000);
    await assertNothingLeft('a', 'b');
  });

  test('the list may be changed once it was given', async () => {
    const names = ['b', 'a'];
    const attempt = acquireAll(store, names);
    names.push('c');
    assert.deepEqual(
      [...(await attempt)].map(({ name }) => name),
      ['a', 'b'],
    );
    assert.deepEqual(names, ['b', 'a', 'c']);
  });
});

describe('waiting for all', () => {
  test('`wait` is for all together, and the time-out names the lock that was held', async () => {
    await holdAsStranger('a', 600);
    await holdAsStranger('b');
    const { error, after } = await failure(acquireAll(store, ['b', 'a'], { wait: 1_000 }));
    assert.ok(error instanceof AcquireTimeoutError);
    assert.equal(error.lock, 'b');
    assert.match(error.message, /lock "b".*1000 ms/);
    assert.equal(after, 1_000);
    await assertNothingLeft('a');
  });

  test('`wait: 0` asks for each exactly once', async () => {
    await holdAsStranger('b');
    const { error } = await failure(acquireAll(store, ['a', 'b', 'c'], { wait: 0 }));
    assert.equal(error.lock, 'b');
    assert.deepEqual(requested('acquire'), ['acquire a', 'acquire b']);
  });

  for (const [what, isHeld] of [
    ['granted, it counts', false],
    ['held, the wait is over', true],
  ] as const) {
    test(`where no time is left for the next, the store is asked once: ${what}`, async () => {
      await holdAsStranger('a', 999);
      if (isHeld) await holdAsStranger('b');
      const slow = altered(store, {
        async acquire(...request) {
          if (request[0] === 'b') await pause(20);
          return store.acquire(...request);
        },
      });
      const attempt = acquireAll(slow, ['a', 'b'], { wait: 1_000 });
      const outcome = await clock.passing(attempt.catch((error) => error));
      if (isHeld) assert.equal(outcome.code, 'ERR_DLOCK_TIMEOUT');
      else assert.equal(await outcome.release(), true);
    });
  }

  test('an outage while no time is left is no "held"', async () => {
    await holdAsStranger('a', 999);
    instead['acquire b'] = () => never;
    const { error, after } = await failure(acquireAll(store, ['a', 'b'], { wait: 1_000 }));
    assert.ok(error instanceof StoreError);
    assert.equal(error.lock, 'b');
    assert.ok(after <= 1_000 + 5_001, `${after}`);
  });

  test('a store that says nothing is asked for no longer than `wait`', async () => {
    instead['acquire a'] = () => never;
    const { error, after } = await failure(acquireAll(store, ['a', 'b'], { wait: 1_000 }));
    assert.ok(error instanceof StoreError);
    assert.ok(after <= 1_001, `${after}`);
  });

  test('what is taken is renewed meanwhile', async () => {
    await holdAsStranger('c', 60_000);
    const waiting = acquireAll(store, ['a', 'b', 'c'], { ttl: 3_000 });
    await clock.advance(59_000);
    for (const name of ['a', 'b']) {
      assert.equal((await memory.acquire(name, thief, 1)).granted, false, name);
    }
    const leases = await clock.passing(waiting);
    assert.ok(leases.held);
    assert.equal(await leases.release(), true);
    await assertNothingLeft('a', 'b', 'c');
  });

  test('a lease that is lost meanwhile fails the attempt at once', async () => {
    await holdAsStranger('b');
    const attempt = failureOf(acquireAll(store, ['a', 'b', 'c'], { ttl: 3_000 }));
    await settled();
    instead['extend a'] = async () => false;
    await clock.advance(1_000);
    const error = await attempt;
    assert.ok(error instanceof StoreError);
    assert.equal(error.lock, 'a');
    assert.equal(error.operation, 'acquire');
    assert.match(error.message, /lost before the others/);
    assert.ok((error.cause as Error).cause instanceof LeaseLostError);
    await memory.release('b', thief);
    await assertNothingLeft('a', 'b', 'c');
  });

  test('a loss that nobody has noticed yet fails it when the last is granted', async () => {
    const blocked = altered(store, {
      async acquire(...request) {
        const answer = await store.acquire(...request);
        clock.block(2_000);
        return answer;
      },
    });
    const { error } = await failure(acquireAll(blocked, ['a', 'b'], { ttl: 3_000, renew: false }));
    assert.ok(error instanceof StoreError);
    assert.equal(error.lock, 'a');
    assert.ok((error.cause as Error).cause instanceof LeaseLostError);
    assert.equal(await clock.passing(backgroundSettled(blocked)), true);
    assert.deepEqual(requested('release').slice(0, 2).sort(), ['release a', 'release b']);
    await assertNothingLeft('a', 'b');
  });

  test('an outage half-way: StoreError, and nothing is left', async () => {
    instead['acquire b'] = () => Promise.reject(cut);
    const { error } = await failure(acquireAll(store, ['a', 'b', 'c']));
    assert.ok(error instanceof StoreError);
    assert.equal(error.lock, 'b');
    assert.ok(!requests.includes('acquire c'));
    await assertNothingLeft('a', 'b', 'c');
  });
});

describe('a signal', () => {
  test('aborted before: rejects with its reason, without a request', async () => {
    const options = { signal: AbortSignal.abort('no more') };
    assert.equal(await failureOf(acquireAll(store, ['a', 'b'], options)), 'no more');
    assert.equal(await failureOf(tryAcquireAll(store, ['a', 'b'], options)), 'no more');
    assert.deepEqual(requests, []);
  });

  test('aborted half-way: rejects at once with its reason, and leaves nothing', async () => {
    await holdAsStranger('b');
    const controller = new AbortController();
    // It may be the loss of another lease, too, which is none of these.
    const reason = new LeaseLostError('another', { lock: 'a' });
    const { signal } = controller;
    const attempt = failureOf(acquireAll(store, ['a', 'b', 'c'], { signal }));
    await settled();
    controller.abort(reason);
    assert.equal(await attempt, reason);
    await memory.release('b', thief);
    assert.ok(!requests.includes('acquire c'));
    await assertNothingLeft('a', 'b', 'c');
  });

  test('aborted while a request is under way: that is undone, too', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const slow = altered(store, {
      async acquire(...request) {
        await pause(100);
        return store.acquire(...request);
      },
    });
    const attempt = failureOf(tryAcquireAll(slow, ['a', 'b'], { signal }));
    await clock.advance(150);
    controller.abort('enough');
    assert.equal(await attempt, 'enough');
    assert.equal(await clock.passing(backgroundSettled(slow)), true);
    await assertNothingLeft('a', 'b');
  });

  test('aborted after all were granted: no effect', async () => {
    const controller = new AbortController();
    const leases = await acquireAll(store, ['a', 'b'], { signal: controller.signal });
    controller.abort();
    assert.equal(leases.held, true);
    assert.equal(leases.signal.aborted, false);
    await leases.release();
  });
});

test('invalid arguments are refused before any request', async () => {
  const refused = async (names: unknown, options: unknown, type: unknown, message: RegExp) => {
    for (const take of [acquireAll, tryAcquireAll]) {
      const error = await failureOf(take(store, names as string[], options as object));
      assert.ok(error instanceof (type as typeof TypeError), String(error));
      assert.match(error.message, message);
    }
  };
  await refused([], {}, TypeError, /at least one/);
  await refused('a', {}, TypeError, /array of strings, not "a"/);
  await refused(undefined, {}, TypeError, /array/);
  await refused(new Set(['a']), {}, TypeError, /array/);
  await refused(['a', ''], {}, TypeError, /not ""/);
  await refused(['a', 42], {}, TypeError, /42/);
  await refused(['a', ['b']], {}, TypeError, /Array/);
  await refused(new Array(2), {}, TypeError, /undefined/);
  await refused(['a', '\0b'], {}, TypeError, /begin with NUL/);
  await refused(['a', 'b'], { retries: 3 }, TypeError, /"retries"/);
  await refused(['a', 'b'], { ttl: 0 }, RangeError, /not 0$/);
  const waiting = await failureOf(tryAcquireAll(store, ['a'], { wait: 5 } as object));
  assert.match(waiting.message, /"wait"/);
  assert.deepEqual(requests, []);
});

describe('a group', () => {
  const take = async (...names: string[]) => {
    const leases = await tryAcquireAll(store, names, { ttl: 30_000 });
    assert.ok(leases);
    requests = [];
    return leases;
  };
  /** Another takes the lock, and the next renewal says so. */
  const lose = async (leases: Leases, name: string) => {
    await memory.release(name, leases.of(name).token);
    await assert.rejects(leases.of(name).extend(), LeaseLostError);
  };

  test('is held while all are, and for as long as the shortest', async () => {
    const leases = await take('a', 'b', 'c');
    assert.equal(leases.held, true);
    await leases.of('b').extend(9_000);
    assert.equal(leases.remaining, leases.of('b').remaining);
    await leases.of('b').release();
    assert.equal(leases.held, false);
    assert.equal(leases.remaining, 0);
    assert.throws(() => leases.assertHeld(), LeaseLostError);
    assert.equal(leases.of('c').held, true);
    assert.equal(await leases.release(), true);
  });

  test('tells of the first loss; the others stay ours, and are renewed until released', async () => {
    const leases = await take('a', 'b', 'c');
    const { signal } = leases;
    assert.equal(signal.aborted, false);
    await lose(leases, 'b');
    assert.equal(signal.aborted, true);
    assert.equal(signal.reason.lock, 'b');
    await lose(leases, 'a');
    assert.equal(leases.signal, signal);
    assert.equal(signal.reason.lock, 'b');
    assert.throws(() => leases.assertHeld(), signal.reason);
    assert.equal(leases.held, false);
    await clock.advance(100_000);
    assert.equal(leases.of('c').held, true);
    assert.deepEqual(requested('release'), []);
    assert.equal(await leases.release(), false);
    await assertNothingLeft('a', 'b', 'c');
  });

  test('whose signal is asked for late finds it aborted', async () => {
    const leases = await take('a', 'b');
    await lose(leases, 'b');
    assert.equal(leases.signal.aborted, true);
    assert.equal(leases.signal.reason.lock, 'b');
    await leases.release();
  });

  test('knows of a deadline that nobody has noticed yet, and changes nothing by it', async () => {
    const leases = await take('a', 'b');
    const { signal } = leases;
    clock.block(30_000);
    assert.equal(leases.held, false);
    assert.equal(leases.remaining, 0);
    assert.equal(leases.signal.aborted, true);
    assert.equal(signal.aborted, false);
    await clock.advance(1);
    assert.equal(signal.aborted, true);
    assert.equal(leases.signal, signal);
    await leases.release();
  });

  test('is not lost by a release', async () => {
    const leases = await take('a', 'b');
    const { signal } = leases;
    assert.equal(await leases.release(), true);
    await clock.advance(60_000);
    assert.equal(signal.aborted, false);
  });

  test('extends all in parallel, and rejects with the first failure', async () => {
    const leases = await take('a', 'b');
    const extending = leases.extend(60_000);
    assert.deepEqual(requests, ['extend a', 'extend b']);
    await extending;
    assert.ok(leases.remaining > 59_000);
    await assert.rejects(leases.extend(0), RangeError);
    instead['extend a'] = () => Promise.reject(cut);
    await assert.rejects(leases.extend(), StoreError);
    assert.equal(requested('extend').length, 4);
    await leases.release();
  });

  test('releases all in parallel, once', async () => {
    const leases = await take('a', 'b');
    const releasing = leases.release();
    assert.deepEqual(requests, ['release a', 'release b']);
    assert.equal(await releasing, true);
    assert.equal(await leases.release(), true);
    await leases[Symbol.asyncDispose]();
    assert.deepEqual(requested('release').length, 2);
    await assertNothingLeft('a', 'b');
  });

  test('leaves all to lapse', async () => {
    const leases = await take('a', 'b');
    await assert.rejects(leases.release({ after: -1 }), RangeError);
    assert.equal(await leases.release({ after: 500 }), true);
    for (const name of ['a', 'b']) assert.equal(await tryAcquire(store, name), null);
    await clock.advance(500);
    await assertNothingLeft('a', 'b');
  });

  test('in doubt about one: a StoreError once all others are released; and again', async () => {
    const leases = await take('a', 'b', 'c');
    instead['release a'] = () => Promise.reject(cut);
    instead['release c'] = async () => {
      await pause(50);
      return memory.release('c', leases.of('c').token);
    };
    const { error, after } = await failure(leases.release());
    assert.ok(after >= 50, 'once all have answered');
    assert.ok(error instanceof StoreError);
    assert.equal(error.lock, 'a');
    assert.equal(error.operation, 'release');
    assert.equal(await leases.of('c').release(), true);
    assert.equal(await failureOf(leases.release()), error);
    delete instead['release a'];
    await assertNothingLeft('a', 'b', 'c');
  });

  test('disposed of when one is lost: one warning, the others released, nothing thrown', async () => {
    const leases = await take('a', 'b', 'c');
    await lose(leases, 'b');
    await leases[Symbol.asyncDispose]();
    await settled();
    assert.deepEqual(
      warnings.map(({ code, message }) => [code, /"b"/.test(message)]),
      [['DLOCK_LEASE_LOST', true]],
    );
    await assertNothingLeft('a', 'b', 'c');
  });

  test('in doubt when disposed of: one warning, the others released, nothing thrown', async () => {
    const leases = await take('a', 'b');
    instead['release a'] = () => Promise.reject(cut);
    await clock.passing(Promise.resolve(leases[Symbol.asyncDispose]()));
    await settled();
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['DLOCK_RELEASE_IN_DOUBT'],
    );
    assert.equal((await memory.acquire('b', thief, 1)).granted, true);
  });

  test('warns of nothing where somebody looked at its signal', async () => {
    const leases = await take('a', 'b');
    void leases.signal;
    await lose(leases, 'b');
    await leases[Symbol.asyncDispose]();
    await settled();
    assert.deepEqual(warnings, []);
  });

  test('gives the lease of each name, and no other', async () => {
    const leases = await take('b', 'a');
    for (const lease of leases) assert.equal(leases.of(lease.name), lease);
    assert.ok(Number(leases.of('b').fence) > Number(leases.of('a').fence));
    assert.throws(() => leases.of('c'), { name: 'RangeError', message: /"c"/ });
    await leases.release();
  });

  test('of which one was handed over is not held, and gives back the others', async () => {
    const leases = await take('a', 'b');
    const { token } = leases.of('a').handOver();
    assert.equal(leases.held, false);
    assert.equal(leases.signal.aborted, false);
    assert.equal(await leases.release(), true);
    assert.deepEqual(requests, ['release b']);
    assert.equal(await memory.release('a', token), true);
  });

  test('in a console shows its leases, and never a token', async () => {
    const leases = await take('a', 'b');
    assert.equal(
      inspect(leases).replaceAll(/\s+/g, ' '),
      'Leases [ ' +
        "Lease { name: 'a', state: 'held', remaining: 29698, fence: 1 }, " +
        "Lease { name: 'b', state: 'held', remaining: 29698, fence: 2 } ]",
    );
    const shown = inspect({ leases }, { showHidden: true, depth: 9 }) + JSON.stringify(leases);
    for (const { token } of leases) assert.ok(!shown.includes(token.slice(0, 9)));
    await leases.release();
  });
});

describe('the leases of a group', () => {
  /** Takes a group, and keeps what `keep` gives. */
  async function take<T>(keep: (leases: Leases) => T): Promise<T> {
    const leases = await acquireAll(store, ['a', 'b'], { ttl: 30_000, wait: 1_000 });
    return keep(leases);
  }

  async function collectGarbage(): Promise<void> {
    assert.ok(globalThis.gc, 'run with --expose-gc');
    for (let round = 0; round < 8; round++) {
      globalThis.gc();
      await settled();
    }
  }

  /** Lets each be renewed once, collects garbage, and tells what is extended after that. */
  async function extendedOnceCollected(): Promise<string[]> {
    await clock.advance(10_001);
    await collectGarbage();
    requests = [];
    await clock.advance(30_000);
    return [...new Set(requested('extend'))].sort();
  }

  test('are forgotten with it, and warned of', async () => {
    await take((leases) => leases.signal.aborted);
    assert.deepEqual(await extendedOnceCollected(), []);
    assert.deepEqual(
      warnings.map(({ code }) => code),
      ['DLOCK_LEASE_FORGOTTEN', 'DLOCK_LEASE_FORGOTTEN'],
    );
  });

  test('are renewed while the group is kept', async () => {
    const leases = await take((leases) => leases);
    assert.deepEqual(await extendedOnceCollected(), ['extend a', 'extend b']);
    assert.equal(await leases.release(), true);
  });

  test('are renewed while only its signal is kept', async () => {
    const signal = await take((leases) => leases.signal);
    assert.deepEqual(await extendedOnceCollected(), ['extend a', 'extend b']);
    instead['extend b'] = async () => false;
    await clock.advance(10_000);
    assert.equal(signal.reason.lock, 'b');
    assert.deepEqual(warnings, []);
  });

  test('are renewed while only a listener to its signal is left', async () => {
    let heard = false;
    await take(({ signal }) => {
      signal.addEventListener('abort', () => {
        heard = true;
      });
    });
    assert.deepEqual(await extendedOnceCollected(), ['extend a', 'extend b']);
    instead['extend a'] = async () => false;
    await clock.advance(10_000);
    assert.equal(heard, true);
  });
});
