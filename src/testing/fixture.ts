/** What a store's author gives to the conformance suite, and what the suite gives to its cases. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt, LockStore } from 'dlock-js';

/** What the conformance suite needs to know of a store. */
export interface StoreUnderTest {
  /** The heading of its tests. */
  name: string;
  /** Called once, before the first test. */
  create(): Promise<StoreFixture> | StoreFixture;
  /** The smallest step of a life, in milliseconds: 1 000 where a store counts seconds. Default: 1. */
  step?: number;
  /** Whether it promises fences. Default: true. */
  fence?: boolean;
  /** Whether `watch` wakes waiting processes. Default: true. */
  watch?: boolean;
  /** Whether it keeps a queue of waiting processes. Default: false. */
  queue?: boolean;
  /** Whether it has `acquireShared`; `unlimited`: only without a finite limit. Default: false. */
  sharing?: boolean | 'unlimited';
  /** Whether locks outlive a restart of what keeps them; needs a `restart` in the fixture. Default: false. */
  persistent?: boolean;
  /** The cases that it cannot pass: the reason, by the title of the case. */
  skip?: Record<string, string>;
  /**
   * Which cases are run. Run every implementation with `'all'` once; `'essential'` are those that can still
   * fail with an additional client or topology of a store that passes all. Default: `'all'`.
   */
  cases?: 'all' | 'essential';
}

/** What the tests of one store work on. */
export interface StoreFixture {
  /** The store under test. */
  store: LockStore;
  /** The same locks through another connection. Default: `store`. */
  other?: LockStore;
  /** The same locks through many more connections: twenty, say, which all ask at the same moment. */
  others?: readonly LockStore[];
  /**
   * Restarts what keeps the locks, and returns the store to go on with: the same one, if its client
   * reconnects. Called while no other case of the suite runs.
   */
  restart?(): Promise<LockStore> | LockStore;
  /** Called once, after the last test. */
  close?(): Promise<void> | void;
}

/** One test: the same for every store. */
export interface Case {
  title: string;
  /** Depends on how a client sends requests and reads answers, or on where they lead. */
  essential?: true;
  /** Needs a store that lets in any number, and not so many. */
  unlimited?: true;
  run(context: Context): Promise<void>;
}

export interface Context extends Required<Pick<StoreUnderTest, 'step' | 'fence' | 'watch'>> {
  store: LockStore;
  other: LockStore;
  /** `store`, `other` and all the others. */
  connections: readonly LockStore[];
  /** Resolves to the store to go on with. */
  restart(): Promise<LockStore>;
  /** Watches the lock until the function to which it resolves is called, or the case has ended. */
  watchLock(store: LockStore, wake?: () => void): Promise<() => Promise<void>>;
  /** The name of a lock that no other case uses. */
  lock: string;
}

/** A life that cases see end, in milliseconds; longer than a busy machine keeps an answer waiting. */
export const short = 1_000;

/**
 * A life that renewals must keep up, in milliseconds, even if the machine stands still for a second; longer where the
 * store takes its time.
 */
export const renewed = ({ step }: Pick<Context, 'step'>) => Math.max(1_800, 2 * step);

/**
 * How late something may be on a busy machine, in milliseconds. Less than a waiter rests whom a store
 * should have woken, and than whole seconds add to a life.
 */
export const slack = 2_000;

/** The token of a second holder. */
export const thief = 'f'.repeat(32);

/** The token of who only asks, to see the answer. */
const asker = 'e'.repeat(32);

/** A store that answers as `store` does, but for the operations that are replaced. */
export function altered(store: LockStore, replaced: Partial<LockStore>): LockStore {
  return {
    ttl: store.ttl ?? 30_000,
    timeout: store.timeout ?? 5_000,
    maxTtl: store.maxTtl ?? Number.MAX_SAFE_INTEGER,
    ordered: store.ordered,
    limits: store.limits,
    acquire: (...request) => store.acquire(...request),
    extend: (...request) => store.extend(...request),
    release: (...request) => store.release(...request),
    ...(store.acquireShared && { acquireShared: store.acquireShared.bind(store) }),
    ...(store.watch && { watch: store.watch.bind(store) }),
    ...replaced,
  };
}

/** Waits for a condition, never for a time: fails after `limit` milliseconds. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limit = 15_000,
): Promise<void> {
  const end = performance.now() + limit;
  while (!(await holds())) {
    if (performance.now() > end) assert.fail(`${what}: not within ${limit} ms`);
    await delay(10);
  }
}

/** Tries until the lock can be taken with `token`; `onTry` sees each answer as it comes. */
export async function takeWhenFree(
  store: LockStore,
  lock: string,
  token: string,
  onAnswer: (attempt: Attempt) => void = () => {},
): Promise<void> {
  await eventually(`${lock} comes free`, async () => {
    const attempt = await store.acquire(lock, token, 60_000);
    onAnswer(attempt);
    return attempt.granted;
  });
}

/** Asserts that somebody holds the lock: whoever asks is refused. */
export async function assertTaken(store: LockStore, lock: string): Promise<void> {
  assert.equal(
    (await store.acquire(lock, asker, 60_000)).granted,
    false,
    `${lock} should be taken`,
  );
}

/** Asserts that nobody holds the lock, by taking it and giving it back. */
export async function assertFree(store: LockStore, lock: string): Promise<void> {
  assert.equal((await store.acquire(lock, asker, 60_000)).granted, true, `${lock} should be free`);
  assert.equal(await store.release(lock, asker), true);
}
