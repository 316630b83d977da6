/** What callers may ask for, with every default and limit; checked here, before any request. */
import {
  checkLimit,
  checkOptions,
  checkTime,
  type Owner,
  requirements,
} from '../base/arguments.js';
import { longestTimer } from '../base/clock.js';
import { checkName, lockNamed } from '../base/names.js';
import { shown } from '../base/shown.js';
import type { LockStore } from '../store.js';

/** What a lease is to be like. */
export interface LeaseOptions {
  /**
   * Time to live, in milliseconds: how long the lock stays taken if this process dies. A whole
   * number, at least 1, at most what the store can represent. Default: the store's, 30 000 if it
   * names none.
   */
  ttl?: number | undefined;
  /** Keep the lease alive, by an extension each third of its ttl, until released. Default: true. */
  renew?: boolean | undefined;
  /**
   * The lock stays taken for this long from the grant, in milliseconds, even if released earlier:
   * longer than the clocks of the servers differ. Without renewal at most the ttl. Default: 0.
   *
   * It counts after a body that failed, too; otherwise every server in turn would start a job that fails at
   * once. Only with `once` does it not: that period is still to be done, and another server must be able to
   * do it at once.
   */
  minHold?: number | undefined;
  /**
   * Gives up the attempt or the wait, which then rejects with `signal.reason` and leaves no lock
   * behind. It has no effect on a lease once granted.
   */
  signal?: AbortSignal | undefined;
  /**
   * How many may hold the lock at once, this lease included; `Infinity`: any number, as for readers that only
   * keep a writer out. A whole number, at least 1. If callers use different limits, the larger counts while
   * both are in use. Default: 1, nobody else.
   */
  limit?: number | undefined;
}

/** What a lease is to be like, and how long to wait for it. */
export interface AcquireOptions extends LeaseOptions {
  /**
   * How long to wait while somebody else holds the lock, in milliseconds; 0: try exactly once.
   * Default: `Infinity` for `acquire`, 0 for `locked`.
   */
  wait?: number | undefined;
}

/** The same for a body that runs once for each period, by one server alone. */
export interface OnceOptions extends Omit<AcquireOptions, 'limit'> {
  /**
   * How long a done period is remembered, in milliseconds: longer than any server may be late. A store that
   * does not know how long a lock lives (Memcached) starts counting again whenever one comes late. Default:
   * 24 hours.
   */
  retain?: number | undefined;
}

/** What a leader's lease is to be like. It waits for as long as it takes, and leads alone. */
export interface LeadOptions extends Omit<AcquireOptions, 'wait' | 'limit' | 'signal'> {
  /**
   * Ends `lead`: a wait at once, and a term once the body has ended, for which the signal of its lease
   * aborts. Then `lead` rejects with `signal.reason`.
   */
  signal?: AbortSignal | undefined;
}

/** Options with nothing left open. */
export interface Terms {
  readonly ttl: number;
  readonly renew: boolean;
  readonly minHold: number;
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
  readonly limit: number;
  readonly wait: number;
  /** Aborts the signal of the lease, too: it is still held, but its holder is to give it back. */
  readonly recall?: AbortSignal | undefined;
}

/** The options that there are; any other is a mistake. */
export const adoptOptions = ['ttl', 'renew', 'minHold', 'signal'] as const;
export const leaseOptions = [...adoptOptions, 'limit'] as const;
export const acquireOptions = [...leaseOptions, 'wait'] as const;
export const onceOptions = [...adoptOptions, 'wait', 'retain'] as const;
export const leadOptions = adoptOptions;

/** For stores that name none, in milliseconds. */
export const defaults = { ttl: 30_000, timeout: 5_000 };

/**
 * Checks all arguments of an attempt.
 *
 * @param known the options that the caller's function takes.
 * @throws TypeError or RangeError that shows what was received.
 */
export function readTerms(
  store: LockStore,
  name: string,
  options: AcquireOptions = {},
  known: readonly string[] = acquireOptions,
  defaultWait = 0,
): Terms {
  checkLock(store, name);
  const lock = () => lockNamed(name);
  const must = requirements(lock);
  checkOptions(lock, options, known);
  const { renew = true, minHold = 0, signal, limit = 1, wait = defaultWait } = options;
  const { maxTtl } = store;
  const ttl = checkTime(lock, 'ttl', options.ttl ?? store.ttl ?? defaults.ttl, 1, maxTtl);
  const timeout = checkTime(lock, 'timeout', store.timeout ?? defaults.timeout, 1, longestTimer);
  checkTime(lock, 'minHold', minHold, 0, maxTtl);
  must(TypeError, typeof renew === 'boolean', 'renew', 'be a boolean', renew);
  const lasts = `not exceed the ttl of ${ttl} ms unless the lease is renewed`;
  must(RangeError, renew || minHold <= ttl, 'minHold', lasts, minHold);
  const isSignal = signal === undefined || signal instanceof AbortSignal;
  must(TypeError, isSignal, 'signal', 'be an AbortSignal', signal);
  if (checkLimit(lock, 'limit', limit) > 1) checkSharing(lock, store, limit);
  return { ttl, renew, minHold, timeout, signal, limit, wait: checkWait(lock, wait) };
}

/** Checks what comes first: where that was left out, all else is in the wrong place. */
export function checkLock(store: LockStore, name: string): void {
  checkStore(store);
  checkName(name);
}

export function checkStore(store: LockStore): void {
  if ([store?.acquire, store?.extend, store?.release].every(isFunction)) return;
  throw new TypeError(
    `The first argument must be a LockStore, such as new RedisStore(client), not ${shown(store)}`,
  );
}

function checkSharing(lock: Owner, { acquireShared, limits }: LockStore, limit: number): void {
  const must = requirements(lock);
  const alone = 'be 1, since the store cannot share locks';
  must(TypeError, isFunction(acquireShared), 'limit', alone, limit);
  const isKept = limit === Infinity || limits !== 'unlimited';
  must(TypeError, isKept, 'limit', 'be 1 or Infinity, since the store cannot count', limit);
}

/** Checks a time that may be Infinity. */
export function checkWait(owner: Owner, wait: number): number {
  const must = requirements(owner);
  must(TypeError, typeof wait === 'number', 'wait', 'be a number of milliseconds', wait);
  must(RangeError, wait >= 0, 'wait', 'be at least 0', wait);
  return wait;
}

/** Checks the period of a lock; what is to run is easily given in its place. */
export function checkPeriod(name: string, period: unknown): void {
  const isPeriod = typeof period === 'string' && period !== '' && period.isWellFormed();
  const must = requirements(lockNamed(name));
  must(TypeError, isPeriod, 'The period', 'be a non-empty, well-formed string', period);
}

/** Checks what is to run under the lock; the options are easily given in its place. */
export function checkBody(name: string, body: unknown): void {
  const must = requirements(lockNamed(name));
  must(TypeError, isFunction(body), 'The body', 'be a function, given before the options', body);
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}
