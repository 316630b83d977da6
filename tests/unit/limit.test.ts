/** How many may hold a lock at once: what is checked, what is told, and when a line asks the store. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire, adopt, tryAcquire } from '../../src/api/acquire.js';
import { once } from '../../src/api/once.js';
import { useClock } from '../../src/base/clock.js';
import { AcquireTimeoutError, StoreError } from '../../src/base/errors.js';
import type { DlockEvents } from '../../src/base/events.js';
import type { LockStore } from '../../src/store.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { QuorumStore } from '../../src/stores/quorum/quorum.js';
import { altered } from '../../src/testing/fixture.js';
import { FakeClock, settled } from '../support/fake-clock.js';
import { never, ScriptedStore } from '../support/scripted-store.js';

let clock: FakeClock;
let memory: MemoryStore;
/** The limits that the store was asked with, 1 for those who ask alone. */
let asked: number[];
let store: LockStore;
let isSilent: boolean;
beforeEach(() => {
  clock = FakeClock.install();
  memory = new MemoryStore();
  asked = [];
  isSilent = false;
  store = altered(memory, {
    acquire(...request) {
      asked.push(1);
      return memory.acquire(...request);
    },
    acquireShared(name, token, ttl, limit, patience) {
      asked.push(limit);
      if (isSilent) return never;
      return memory.acquireShared(name, token, ttl, limit, patience);
    },
  });
});
afterEach(() => useClock());

describe('what is checked before any request', () => {
  for (const [limit, message] of [
    [0, /RangeError: limit of lock "gpu" must be a whole number, at least 1, or Infinity, not 0/],
    [1.5, /RangeError: limit of lock "gpu" must be .*, not 1.5/],
    [Number.NaN, /RangeError: limit of lock "gpu" must be .*, not NaN/],
    ['4', /TypeError: limit of lock "gpu" must be a number of holders, not "4"/],
  ] as const) {
    test(`a limit of ${limit}`, async () => {
      await assert.rejects(tryAcquire(store, 'gpu', { limit: limit as number }), (error) => {
        assert.match(String(error), message);
        return true;
      });
      assert.deepEqual(asked, []);
    });
  }

  test('a store that cannot share: the limit must be 1', async () => {
    const plain = new ScriptedStore();
    const message = 'limit of lock "gpu" must be 1, since the store cannot share locks, not 4';
    await assert.rejects(acquire(plain, 'gpu', { limit: 4 }), { name: 'TypeError', message });
    assert.deepEqual(plain.requests, []);
    await (await acquire(plain, 'gpu', { limit: 1 })).release();
  });

  test('a store that cannot count: the limit must be 1 or Infinity', async () => {
    const quorum = new QuorumStore([1, 2, 3].map(() => new MemoryStore()));
    const message =
      'limit of lock "gpu" must be 1 or Infinity, since the store cannot count, not 4';
    await assert.rejects(acquire(quorum, 'gpu', { limit: 4 }), { name: 'TypeError', message });
    const uncounting = new QuorumStore([new MemoryStore(), new ScriptedStore()]);
    await assert.rejects(acquire(uncounting, 'gpu', { limit: Infinity }), TypeError);
  });

  test('a period is run by one, and a ticket has its own limit', async () => {
    const wrong = { limit: 2 } as object;
    await assert.rejects(
      once(store, 'gpu', 'today', () => {}, wrong),
      /Unknown option "limit"/,
    );
    const lease = await acquire(store, 'gpu', { limit: 2 });
    const ticket = lease.handOver();
    assert.equal(ticket.limit, 2);
    await assert.rejects(adopt(store, ticket, wrong), /Unknown option "limit"/);
    await assert.rejects(adopt(store, { ...ticket, limit: 0 }), RangeError);
    assert.ok(await adopt(store, ticket));
  });
});

test('a reader behind a writer that waits for a reader of its own process is told that the lock is held', async () => {
  const reader = await acquire(store, 'gpu', { limit: Infinity });
  const controller = new AbortController();
  const writer = acquire(store, 'gpu', { signal: controller.signal }).catch(() => {});
  const behind = acquire(store, 'gpu', { limit: Infinity, wait: 20 });
  await assert.rejects(clock.passing(behind), AcquireTimeoutError);
  controller.abort();
  await writer;
  await reader.release();
});

test('the limit is told with every event', async () => {
  const limits: number[] = [];
  const hear = (event: unknown) => void limits.push((event as DlockEvents['granted']).limit);
  for (const event of ['granted', 'released']) subscribe(`dlock:${event}`, hear);
  try {
    await (await acquire(store, 'gpu', { limit: 4 })).release();
    await (await acquire(store, 'gpu')).release();
  } finally {
    for (const event of ['granted', 'released']) unsubscribe(`dlock:${event}`, hear);
  }
  assert.deepEqual(limits, [4, 4, 1, 1]);
});

describe('a line in which limits differ', () => {
  test('asks nobody while this process itself fills the lock, and does as soon as it may', async () => {
    const [one, two] = [
      await acquire(store, 'gpu', { limit: 2 }),
      await acquire(store, 'gpu', { limit: 2 }),
    ];
    const waiting = acquire(store, 'gpu', { limit: 2 });
    await clock.advance(2_000);
    assert.deepEqual(asked, [2, 2], 'nobody asked for the third');
    const release = one.release();
    await clock.passing(waiting);
    assert.equal(await release, true);
    assert.deepEqual(asked, [2, 2, 2]);
    await (await waiting).release();
    await two.release();
  });

  test('asks nobody for a reader while this process writes, nor for a writer while it reads', async () => {
    const writing = await acquire(store, 'gpu');
    const reading = acquire(store, 'gpu', { limit: Infinity });
    await clock.advance(2_000);
    assert.deepEqual(asked, [1]);
    await writing.release();
    const reader = await clock.passing(reading);
    const next = acquire(store, 'gpu');
    await clock.advance(2_000);
    assert.deepEqual(asked, [1, Infinity]);
    await reader.release();
    await (await clock.passing(next)).release();
  });

  test('lets all readers in, one after the other', async () => {
    const readers = await clock.passing(
      Promise.all([1, 2, 3].map(() => acquire(store, 'gpu', { limit: Infinity }))),
    );
    assert.ok(readers.every(({ held }) => held));
    for (const reader of readers) await reader.release();
  });

  test('asks at once for a next who wants another limit than the one that has left', async () => {
    const one = '1'.repeat(32);
    await memory.acquireShared('gpu', one, 60_000, 2);
    const leaving = new AbortController();
    const writing = acquire(store, 'gpu', { signal: leaving.signal });
    const reading = acquire(store, 'gpu', { limit: Infinity });
    await clock.advance(100);
    leaving.abort();
    await assert.rejects(writing, { name: 'AbortError' });
    await clock.advance(50);
    assert.equal(asked.at(-1), Infinity);
    await (await reading).release();
    await memory.release('gpu', one);
  });

  test('leaves its place to others while its next, who wants more, waits for its own process', async () => {
    const [one, two] = ['1'.repeat(32), '2'.repeat(32)];
    const reading = await acquire(store, 'gpu', { limit: 2 });
    await memory.acquireShared('gpu', one, 60_000, 2);
    const leaving = new AbortController();
    const reader = acquire(store, 'gpu', { limit: 2, signal: leaving.signal });
    const writing = acquire(store, 'gpu');
    await clock.advance(100);
    leaving.abort();
    await assert.rejects(reader, { name: 'AbortError' });
    await clock.advance(100);
    await memory.release('gpu', one);
    const { granted } = await memory.acquireShared('gpu', two, 60_000, 2);
    assert.equal(granted, true, 'the room was not promised to a line that does not ask');
    await memory.release('gpu', two);
    await reading.release();
    await (await clock.passing(writing)).release();
  });

  test('a wait for room that nobody answers is an outage, though this process has a place', async () => {
    const lease = await acquire(store, 'gpu', { limit: 2 });
    isSilent = true;
    const other = acquire(store, 'gpu', { limit: 2, wait: 500 });
    await settled();
    const failed = assert.rejects(other, StoreError);
    await clock.advance(1_000);
    await failed;
    await lease.release();
  });
});
