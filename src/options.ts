/** What callers may ask for, with every default and limit; checked here, before any request. */
import { inspect } from 'node:util';
import { lockNamed } from './errors.js';
import type { LockStore } from './store.js';

export interface LeaseOptions {
  /**
   * Time to live, in milliseconds: how long the lock stays taken if this process dies. A whole
   * number, at least 1, at most what the store can represent. Default: the store's, 30 000 if it
   * names none.
   */
  ttl?: number;
  /** Keep the lease alive, by an extension each third of its ttl, until released. Default: true. */
  renew?: boolean;
  /**
   * The lock stays taken for this long from the start, in milliseconds, even if released earlier:
   * longer than the clocks of the servers differ. Without renewal at most the ttl. Default: 0.
   */
  minHold?: number;
  /**
   * Gives up the attempt or the wait, which then rejects with `signal.reason` and leaves no lock
   * behind. It has no effect on a lease once granted.
   */
  signal?: AbortSignal;
}

export interface AcquireOptions extends LeaseOptions {
  /**
   * How long to wait while somebody else holds the lock, in milliseconds; 0: try exactly once.
   * Default: `Infinity` for `acquire`, 0 for `locked`.
   */
  wait?: number;
}

/** Options with nothing left open. */
export interface Terms {
  readonly ttl: number;
  readonly renew: boolean;
  readonly minHold: number;
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly wait: number;
}

/** Checks all arguments of an attempt; a TypeError or RangeError says what was received. */
export function readTerms(
  store: LockStore,
  name: string,
  options: AcquireOptions = {},
  defaultWait = 0,
): Terms {
  checkName(name);
  checkStore(store, name);
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(
      `The options of ${lockNamed(name)} must be an object, not ${shown(options)}`,
    );
  }
  const { renew = true, minHold = 0, signal, wait = defaultWait } = options;
  const ttl = checkTtl(store, name, options.ttl ?? store.ttl ?? 30_000);
  const timeout = checkWhole(name, 'timeout', store.timeout ?? 5_000, 1);
  checkLife(store, name, 'minHold', minHold);
  if (typeof renew !== 'boolean') {
    throw new TypeError(`renew of ${lockNamed(name)} must be a boolean, not ${shown(renew)}`);
  }
  if (minHold > ttl && !renew) {
    throw new RangeError(
      `minHold of ${lockNamed(name)} is ${minHold} ms, longer than its ttl of ${ttl} ms, which nothing renews`,
    );
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(
      `signal of ${lockNamed(name)} must be an AbortSignal, not ${shown(signal)}`,
    );
  }
  if (typeof wait !== 'number') {
    throw new TypeError(
      `wait of ${lockNamed(name)} must be a number of milliseconds, not ${shown(wait)}`,
    );
  }
  if (!(wait >= 0))
    throw new RangeError(`wait of ${lockNamed(name)} must be at least 0, not ${wait}`);
  return { ttl, renew, minHold, timeout, signal, wait };
}

export function checkTtl(store: LockStore, name: string, ttl: number): number {
  return checkLife(store, name, 'ttl', ttl, 1);
}

/** Checks a time for which the store is to keep a lock. */
export function checkLife(
  store: LockStore,
  name: string,
  option: string,
  ms: number,
  least = 0,
): number {
  const most = store.maxTtl ?? Number.MAX_SAFE_INTEGER;
  if (checkWhole(name, option, ms, least) <= most) return ms;
  throw new RangeError(
    `${option} of ${lockNamed(name)} must be at most ${most} ms on this store, not ${ms}`,
  );
}

function checkWhole(name: string, option: string, value: number, least: number): number {
  if (typeof value !== 'number') {
    throw new TypeError(
      `${option} of ${lockNamed(name)} must be a number of milliseconds, not ${shown(value)}`,
    );
  }
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(
    `${option} of ${lockNamed(name)} must be a whole number of milliseconds, at least ${least}, not ${value}`,
  );
}

function checkName(name: string): void {
  if (typeof name !== 'string') {
    throw new TypeError(`The name of a lock must be a string, not ${shown(name)}`);
  }
  if (name === '') throw new TypeError('The name of a lock must not be empty');
  if (!name.isWellFormed()) {
    throw new TypeError(
      `The name of a lock must not contain a lone surrogate, which UTF-8 cannot carry: ${lockNamed(name)}`,
    );
  }
}

function checkStore(store: LockStore, name: string): void {
  if (typeof store?.acquire === 'function') return;
  throw new TypeError(`The store of ${lockNamed(name)} must be a LockStore, not ${shown(store)}`);
}

function shown(value: unknown): string {
  return inspect(value, { depth: 0, maxStringLength: 100, breakLength: Number.POSITIVE_INFINITY });
}
