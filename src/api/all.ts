/** Taking several locks, all or none. */
import { storeError } from '../asking/ask.js';
import {
  type AcquireOptions,
  acquireOptions,
  type LeaseOptions,
  leaseOptions,
  readTerms,
  type Terms,
} from '../asking/terms.js';
import { onAbort } from '../base/abort.js';
import { requirements } from '../base/arguments.js';
import { later, now, until } from '../base/clock.js';
import { StoreError } from '../base/errors.js';
import type { HeldLease } from '../lease/lease.js';
import { HeldLeases, type Leases } from '../lease/leases.js';
import type { LockStore } from '../store.js';
import { acquireInLine, timedOut } from './acquire.js';

/**
 * Tries once to take all of the locks `names`: all or none.
 *
 * ```ts
 * await using leases = await tryAcquireAll(store, ['stock', 'prices']);
 * if (!leases) return; // another server has at least one of them
 * await importCatalogue(leases.signal);
 * ```
 *
 * They are taken one after the other, in an order that depends on nothing but the names; a name that is given
 * twice is one lock. If several such attempts are made at the same moment, one gets all that it wants, as
 * with a single lock.
 *
 * @param names at least one; each as `tryAcquire` takes it.
 * @param options apply to each lease: `minHold`, for example, counts from when its own lock was taken.
 * @returns the leases; or null, if the store said that somebody else holds one of the locks. Locks that were
 * already taken are given back in the background.
 * @throws {@link StoreError} the store could not be asked, or a lease was lost before all were taken.
 * Nothing is left behind.
 * @throws TypeError or RangeError for invalid arguments, before any request.
 */
export async function tryAcquireAll(
  store: LockStore,
  names: readonly string[],
  options?: LeaseOptions,
): Promise<Leases | null> {
  const wanted = readWanted(store, names, options, leaseOptions);
  const outcome = await acquireInOrder(store, wanted);
  return typeof outcome === 'string' ? null : outcome;
}

/**
 * Takes all of the locks `names`, waiting while somebody else holds one of them.
 *
 * ```ts
 * await using leases = await acquireAll(store, [`account ${from}`, `account ${to}`], { wait: 10_000 });
 * await transfer(leases.signal);
 * ```
 *
 * They are taken one after the other, in an order that depends on nothing but the names. So callers that take
 * several locks by this function never wait for each other in a circle, whatever order they name them in;
 * callers that take one lock while holding another still may. Locks that are already taken are renewed until
 * all are taken, and `wait` is for all of them together.
 *
 * @param names at least one; each as `acquire` takes it. A name that is given twice is one lock.
 * @param options apply to each lease: `minHold`, for example, counts from when its own lock was taken.
 * @throws {@link AcquireTimeoutError} `wait` ran out while somebody else held the lock that the error names.
 * @throws {@link StoreError} the store could not be asked, or a lease was lost before all were taken.
 * @throws the reason of `signal`, when it aborts first. After any of these, nothing is left behind.
 * @throws TypeError or RangeError for invalid arguments, before any request.
 */
export async function acquireAll(
  store: LockStore,
  names: readonly string[],
  options?: AcquireOptions,
): Promise<Leases> {
  const wanted = readWanted(store, names, options, acquireOptions, Infinity);
  const outcome = await acquireInOrder(store, wanted);
  if (typeof outcome === 'string') throw timedOut(store, outcome, wanted.terms);
  return outcome;
}

interface Wanted {
  /** In the order in which all take them. */
  readonly names: readonly string[];
  /** The same for each. */
  readonly terms: Terms;
}

function readWanted(
  store: LockStore,
  names: readonly string[],
  options: AcquireOptions | undefined,
  known: readonly string[],
  defaultWait?: number,
): Wanted {
  const must = requirements('several locks');
  must(TypeError, Array.isArray(names), 'The names', 'be an array of strings', names);
  const distinct = [...new Set(names)];
  const [terms] = distinct.map((name) => readTerms(store, name, options, known, defaultWait));
  if (!terms) throw new TypeError('The names of several locks must be at least one, not none');
  // By code units, since what a locale has for an order differs from machine to machine.
  return { names: distinct.sort(), terms };
}

/**
 * The leases, or the name of the lock that somebody else holds, and still did after `wait`. Whatever ends
 * the attempt, what was taken is given back.
 */
async function acquireInOrder(
  store: LockStore,
  { names, terms }: Wanted,
): Promise<HeldLeases | string> {
  terms.signal?.throwIfAborted();
  const end = later(now(), terms.wait);
  const taken: HeldLease[] = [];
  const over = new AbortController();
  const listening: (() => void)[] = [];
  const endWith = (signal: AbortSignal, reason: () => unknown) =>
    listening.push(onAbort(signal, () => over.abort(reason())));
  const take = (name: string, wait: number) =>
    acquireInLine(store, name, { ...terms, wait, signal: over.signal });
  const { signal } = terms;
  if (signal) endWith(signal, () => signal.reason);
  try {
    for (const name of names) {
      const left = Math.max(0, Math.ceil(until(end)));
      const lease = await take(name, left).catch((error) => {
        // The others may have left too little of the wait for an answer, and only an answer tells "held".
        if (taken.length === 0 || until(end) > 0 || !(error instanceof StoreError)) throw error;
        return take(name, 0);
      });
      if (!lease) return name;
      taken.push(lease);
      endWith(lease.lost, () => lostMeanwhile(lease));
    }
    for (const lease of taken) if (!lease.held) throw lostMeanwhile(lease);
    return new HeldLeases(taken.splice(0));
  } finally {
    for (const stop of listening) stop();
    for (const lease of taken) lease.discard();
  }
}

/** As a grant that comes too late: nobody has received the lease, and to wait for the others is in vain. */
function lostMeanwhile(lease: HeldLease): StoreError {
  const cause = lease.signal.reason;
  const what = 'it was lost before the others were granted';
  return storeError(lease, 'acquire', new Error(what, { cause }));
}
