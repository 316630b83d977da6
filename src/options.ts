/** What callers may ask for, with every default and limit; checked here, before any request. */
import { checkTime, requirements } from './base/arguments.js';
import { lockNamed, shown } from './base/errors.js';
import type { LockStore } from './store.js';

/** What a lease is to be like. */
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
   *
   * It counts after a body that failed, too: a job that fails at once must not be started by every
   * server in turn. Only under `once` it does not: that period is still to be done, and another server
   * must be able to do it at once.
   */
  minHold?: number;
  /**
   * Gives up the attempt or the wait, which then rejects with `signal.reason` and leaves no lock
   * behind. It has no effect on a lease once granted.
   */
  signal?: AbortSignal;
}

/** What a lease is to be like, and how long to wait for it. */
export interface AcquireOptions extends LeaseOptions {
  /**
   * How long to wait while somebody else holds the lock, in milliseconds; 0: try exactly once.
   * Default: `Infinity` for `acquire`, 0 for `locked`.
   */
  wait?: number;
}

/** The same for a body that runs once for each period. */
export interface OnceOptions extends AcquireOptions {
  /**
   * For how long a done period is remembered, in milliseconds: longer than servers may come late. A
   * store that does not know how long a lock lives (Memcached) counts anew whenever one comes late.
   * Default: 24 hours.
   */
  retain?: number;
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
  if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
    throw new TypeError(
      `The name of a lock must be a non-empty, well-formed string, not ${shown(name)}`,
    );
  }
  const lock = lockNamed(name);
  const must = requirements(lock);
  const isStore = [store?.acquire, store?.extend, store?.release].every(isFunction);
  must(TypeError, isStore, 'The store', 'be a LockStore', store);
  must(
    TypeError,
    typeof options === 'object' && options !== null,
    'The options',
    'be an object',
    options,
  );
  const { renew = true, minHold = 0, signal, wait = defaultWait } = options;
  const { maxTtl } = store;
  const ttl = checkTime(lock, 'ttl', options.ttl ?? store.ttl ?? 30_000, 1, maxTtl);
  const timeout = checkTime(lock, 'timeout', store.timeout ?? 5_000, 1);
  checkTime(lock, 'minHold', minHold, 0, maxTtl);
  must(TypeError, typeof renew === 'boolean', 'renew', 'be a boolean', renew);
  must(
    RangeError,
    renew || minHold <= ttl,
    'minHold',
    `fit into the ttl of ${ttl} ms unless renewed`,
    minHold,
  );
  must(
    TypeError,
    signal === undefined || signal instanceof AbortSignal,
    'signal',
    'be an AbortSignal',
    signal,
  );
  must(TypeError, typeof wait === 'number', 'wait', 'be a number of milliseconds', wait);
  must(RangeError, wait >= 0, 'wait', 'be at least 0', wait);
  return { ttl, renew, minHold, timeout, signal, wait };
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
