/** How a line asks a store that keeps a queue: by which token, how patiently, and how often. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire } from '../../src/api/acquire.js';
import { useClock } from '../../src/base/clock.js';
import type { Attempt, News } from '../../src/store.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';

/** What it answers, it is told; but it has a watch, by which a test calls the line. */
class QueueingStore extends ScriptedStore {
  readonly patience: (number | undefined)[] = [];
  open = 0;
  wake = (_news?: News) => {};

  readonly heirs: (string | undefined)[] = [];

  override release(name: string, token: string, heir?: string): Promise<boolean> {
    this.heirs.push(heir);
    return super.release(name, token);
  }

  override acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    this.patience.push(patience);
    return super.acquire(name, token, ttl);
  }

  async watch(_name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    this.open += 1;
    this.wake = wake;
    return {
      [Symbol.asyncDispose]: async () => {
        this.open -= 1;
      },
    };
  }

  tokens(operation: string): string[] {
    return this.requests
      .filter((request) => request.operation === operation)
      .map(({ token }) => token);
  }
}

const granted: Attempt = { granted: true };
const refused: Attempt = { granted: false };
const placed: Attempt = { granted: false, placeFor: 5_000 };

let clock: FakeClock;
let store: QueueingStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new QueueingStore();
});
afterEach(() => useClock());

/** Stands in line until it is aborted. */
function wait() {
  const controller = new AbortController();
  const waiting = acquire(store, 'import', { signal: controller.signal });
  waiting.catch(() => {});
  return { waiting, abort: () => controller.abort(new Error('enough')) };
}

describe('a line in the queue of its store', () => {
  test('is patient once it watches, and keeps its token from ask to ask, until it is granted', async () => {
    store.answers.acquire = [refused, placed, placed, placed, granted];
    const { waiting } = wait();
    await clock.advance(10);
    assert.deepEqual(store.patience, [undefined, 5_000]);
    await clock.advance(10_000);
    const lease = await waiting;
    const [plain, ...others] = store.tokens('acquire');
    assert.deepEqual(others, Array(4).fill(lease.token));
    assert.notEqual(plain, lease.token);
    await lease.release();
    assert.deepEqual(store.tokens('release'), [lease.token]);
  });

  test('is asked for by whoever is its head', async () => {
    store.answers.acquire = [refused, placed];
    const first = wait();
    const second = wait();
    await clock.advance(10);
    first.abort();
    await clock.advance(10_000);
    assert.equal(new Set(store.tokens('acquire').slice(1)).size, 1);
    assert.deepEqual(store.tokens('release'), [], 'the place is kept');
    store.answers.acquire = [granted];
    store.wake();
    await clock.advance(1);
    await (await second.waiting).release();
  });

  test('gives up its place when it empties', async () => {
    store.answers.acquire = [refused, placed];
    const { waiting, abort } = wait();
    await clock.advance(10);
    abort();
    await assert.rejects(waiting, /enough/);
    await settled();
    assert.deepEqual(store.tokens('release'), store.tokens('acquire').slice(1));
    assert.equal(store.open, 0);
  });

  test('never uses a token again of which a request failed, and gives it back', async () => {
    const failing = () => Promise.reject(cut);
    store.answers.acquire = [refused, placed, failing, placed, placed];
    const { abort } = wait();
    await clock.advance(3_100);
    // An ask, the repeat of which was refused; then another token.
    const [, first, again, repeat] = store.tokens('acquire');
    assert.deepEqual([again, repeat], [first, first]);
    await clock.advance(3_100);
    const last = store.tokens('acquire').at(-1);
    assert.notEqual(last, first);
    assert.ok(store.tokens('release').every((token) => token === first));
    assert.ok(store.tokens('release').length > 0);
    abort();
    await clock.advance(60_000);
  });

  test('gives a token back to which the store keeps no place any more', async () => {
    store.answers.acquire = [refused, placed, refused];
    const { abort } = wait();
    await clock.advance(3_100);
    const [, first] = store.tokens('acquire');
    assert.deepEqual(store.tokens('release'), [first]);
    await clock.advance(3_100);
    assert.notEqual(store.tokens('acquire').at(-1), first);
    abort();
    await clock.advance(10);
  });

  test('rests for long where it stands far behind, and comes at once when it is called', async () => {
    store.answers.acquire = [refused, { granted: false, placeFor: 300_000 }];
    const { waiting } = wait();
    await clock.advance(130_000);
    assert.equal(store.count('acquire'), 2);
    await clock.advance(60_000);
    assert.equal(store.count('acquire'), 3, 'before its place lapses');
    store.answers.acquire = [granted];
    store.wake();
    await clock.advance(1);
    await (await waiting).release();
  });

  test('asks when the promise to the one before it should have ended, unless it is called before', async () => {
    store.answers.acquire = [refused, placed];
    const { waiting } = wait();
    await clock.advance(10);
    store.wake({ after: 2_050 });
    store.wake({ after: 1_050 });
    await clock.advance(1_040);
    assert.equal(store.count('acquire'), 2);
    await clock.advance(20);
    assert.equal(store.count('acquire'), 3);
    store.wake({ after: 1_050 });
    store.answers.acquire = [granted];
    store.wake({});
    await clock.advance(1);
    await (await waiting).release();
  });

  test('does not hear news for another token', async () => {
    store.answers.acquire = [refused, placed];
    const { waiting } = wait();
    await clock.advance(10);
    store.wake({ token: 'another' });
    await clock.advance(10);
    assert.equal(store.count('acquire'), 2);
    store.answers.acquire = [granted];
    store.wake({ token: String(store.tokens('acquire')[1]) });
    await clock.advance(1);
    await (await waiting).release();
  });

  test('news that overtakes the answer to its ask is not lost', async () => {
    let answer = (_: Attempt) => {};
    const later = new Promise<Attempt>((resolve) => {
      answer = resolve;
    });
    store.answers.acquire = [refused, later, granted];
    const { waiting } = wait();
    await clock.advance(10);
    store.wake({ token: String(store.tokens('acquire')[1]) });
    answer(placed);
    await clock.advance(1);
    await (await waiting).release();
  });

  test('passes the lock on within the line, but not for longer than a turn', async () => {
    store.answers.acquire = [refused, placed, granted];
    const waits = [wait(), wait(), wait()] as const;
    await clock.advance(10);
    store.wake({});
    await clock.advance(1);
    const first = await waits[0].waiting;
    await first.release();
    const second = await waits[1].waiting;
    assert.equal(store.heirs[0], second.token, 'the next asks right behind by this token');
    await clock.advance(30);
    await second.release();
    await (await waits[2].waiting).release();
    assert.deepEqual(store.heirs.slice(1), [undefined, undefined]);
  });

  test('asks patiently at once when it comes again soon, and not later', async () => {
    store.answers.acquire = [refused, placed, granted];
    const first = wait();
    await clock.advance(10);
    store.wake({});
    await clock.advance(1);
    await (await first.waiting).release();
    assert.equal(store.open, 1, 'the watch stays for a while');
    await clock.advance(500);
    await (await wait().waiting).release();
    assert.deepEqual(store.patience, [undefined, 5_000, 5_000, 5_000]);
    await clock.advance(2_100);
    assert.equal(store.open, 0);
    await (await wait().waiting).release();
    assert.equal(store.patience.at(-1), undefined);
  });
});
