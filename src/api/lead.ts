/** Leading: one of several candidates does the work, and another takes over when it no longer can. */
import {
  checkBody,
  checkLock,
  type LeadOptions,
  leadOptions,
  readTerms,
  type Terms,
} from '../asking/terms.js';
import { onAbort } from '../base/abort.js';
import { clock } from '../base/clock.js';
import { LeaseLostError, StoreError } from '../base/errors.js';
import { growingPauses } from '../base/pauses.js';
import type { Lease } from '../lease/lease.js';
import { Rest } from '../line/rest.js';
import type { LockStore } from '../store.js';
import { acquireInLine } from './acquire.js';
import { runUnder } from './locked.js';

/**
 * Runs `body` for as long as this process can lead: it waits for the lock `name`, runs the body while
 * holding it, and if the lease is lost, waits for the lock again.
 *
 * ```ts
 * await lead(store, 'scheduler', (lease) => runScheduler(lease.signal), { signal: shutdown });
 * ```
 *
 * The next term begins when the body of the last has ended, not before: one process never runs two. So the
 * body must end soon after its lease's signal aborts, which happens if the lease is lost, or `signal` aborts.
 * How the body ends does not matter: it may return, or throw the signal's reason, an error with that as its
 * cause, or an `AbortError`. Its value counts only if the lock was held to the end; otherwise somebody else
 * may lead already, and this process waits to lead again.
 *
 * An outage of the store ends no wait: the store is asked again, after pauses that grow from a second to a
 * third of the ttl. Only the event `store-error` reports the outage.
 *
 * @returns the value of the body: it has resigned, and the lock is free for others.
 * @throws what `body` threw, unless that only says that it was asked to end: a fault must not be repeated
 * term after term.
 * @throws the reason of `signal`, once it has aborted, and the body has ended and the lock been given back.
 * @throws TypeError or RangeError for invalid arguments, before any request.
 */
export async function lead<T>(
  store: LockStore,
  name: string,
  body: (lease: Lease) => T | Promise<T>,
  options?: LeadOptions,
): Promise<T> {
  checkLock(store, name);
  checkBody(name, body);
  const read = readTerms(store, name, options, leadOptions, Infinity);
  const terms = { ...read, recall: read.signal };
  for (;;) {
    const lease = await campaign(store, name, terms);
    try {
      const resigned = await runUnder(lease, () => serve(lease, body));
      if (resigned) return resigned.value;
    } catch (error) {
      const isLost = lease.signal.aborted && error === lease.signal.reason;
      if (!isLost) throw error;
    }
  }
}

/** Waits for the lock, through any outage. */
async function campaign(store: LockStore, name: string, terms: Terms): Promise<Lease> {
  const { ttl, timeout, signal } = terms;
  const pausesOfOutage = () => growingPauses(1_000, ttl / 3);
  for (let pauses = pausesOfOutage(); ; ) {
    const start = clock.monotonic();
    try {
      const lease = await acquireInLine(store, name, terms);
      if (lease) return lease;
    } catch (error) {
      // The reason may itself be a StoreError, and is no outage.
      signal?.throwIfAborted();
      if (!(error instanceof StoreError)) throw error;
    }
    // No attempt takes so long: the store has answered meanwhile, and this outage is another one.
    if (clock.monotonic() - start > 2 * timeout) pauses = pausesOfOutage();
    await restUnlessAborted(pauses.next().value, signal);
  }
}

/** Rests for `ms` milliseconds, or until `signal` aborts. */
async function restUnlessAborted(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const rest = new Rest(ms);
  const stopListening = signal && onAbort(signal, () => rest.end());
  await rest.over;
  stopListening?.();
}

/** The value of the body; or undefined, if it was asked to end, and did. */
async function serve<T>(
  lease: Lease,
  body: (lease: Lease) => T | Promise<T>,
): Promise<{ value: T } | undefined> {
  try {
    const value = await body(lease);
    return lease.signal.aborted ? undefined : { value };
  } catch (error) {
    if (lease.signal.aborted && isEcho(error, lease)) return undefined;
    throw error;
  }
}

/** Whether an error, or one of those behind it, only says that the signal of the lease has aborted. */
function isEcho(error: unknown, { name, signal }: Lease): boolean {
  // Causes may lead in a circle.
  const seen = new Set<unknown>();
  for (let each = error; each !== undefined && !seen.has(each); each = Object(each).cause) {
    const isLoss = each instanceof LeaseLostError && each.lock === name;
    if (each === signal.reason || isLoss || Object(each).name === 'AbortError') return true;
    seen.add(each);
  }
  return false;
}
