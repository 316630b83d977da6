/** Taking a lock. */
import { askToAcquire, askToExtend, type Claim, newClaim, storeError } from '../asking/ask.js';
import {
  type AcquireOptions,
  acquireOptions,
  adoptOptions,
  type LeaseOptions,
  leaseOptions,
  readTerms,
  type Terms,
} from '../asking/terms.js';
import { newToken } from '../asking/token.js';
import { undo } from '../asking/undo.js';
import { type Moment, now, until } from '../base/clock.js';
import { shortestLife } from '../base/doubt.js';
import { AcquireTimeoutError } from '../base/errors.js';
import { type DlockEvents, tell } from '../base/events.js';
import { lockNamed } from '../base/names.js';
import { adoptionFailed, adoptionsInDoubt } from '../lease/adoptions.js';
import { holdersOf } from '../lease/holders.js';
import { HeldLease, type Lease } from '../lease/lease.js';
import { deadlineOf } from '../lease/life.js';
import { type LeaseTicket, readTicket } from '../lease/ticket.js';
import { type Bid, Line, type Refusal } from '../line/line.js';
import type { LockStore } from '../store.js';

/**
 * Tries once to take the lock `name`.
 *
 * ```ts
 * await using lease = await tryAcquire(store, 'import');
 * if (!lease) return; // another server has it
 * await runImport(lease.signal);
 * ```
 *
 * @param name any text that is not empty and does not begin with NUL; equal names are the same lock.
 * @returns the lease; or null, if the store said that somebody else holds the lock.
 * @throws {@link StoreError} the store could not be asked, or its answer came too late to be of use. Nothing
 * is left behind: what it may have granted is given back in the background.
 * @throws TypeError or RangeError for invalid arguments, before any request.
 */
export async function tryAcquire(
  store: LockStore,
  name: string,
  options?: LeaseOptions,
): Promise<Lease | null> {
  return acquireOnce(store, name, readTerms(store, name, options, leaseOptions));
}

/**
 * Takes the lock `name`, waiting while somebody else holds it.
 *
 * Waiters in this process form one FIFO queue. Where the store keeps a queue, processes are served in the
 * order in which they began to wait. A thousand waiters in a process cost the store what one does.
 *
 * @throws {@link AcquireTimeoutError} `wait` ran out, and the store had said that somebody else holds
 * the lock (or this process holds it).
 * @throws {@link StoreError} the store could not be asked, which ends the wait of the whole line; or
 * `wait` ran out before the store had answered.
 * @throws the reason of `signal`, when it aborts first.
 * @throws TypeError or RangeError for invalid arguments, before any request.
 */
export async function acquire(
  store: LockStore,
  name: string,
  options?: AcquireOptions,
): Promise<Lease> {
  const terms = readTerms(store, name, options, acquireOptions, Infinity);
  const lease = await acquireInLine(store, name, terms);
  if (lease) return lease;
  throw timedOut(store, name, terms);
}

/** The lock is held, and still was after the whole wait. */
export function timedOut(store: LockStore, name: string, { wait }: Terms): AcquireTimeoutError {
  const isOurs = holdersOf({ store, name }).size > 0;
  const holder = isOurs ? 'This process itself' : 'Somebody else';
  const message = `${holder} holds ${lockNamed(name)}: gave up after ${wait} ms`;
  return new AcquireTimeoutError(message, { lock: name });
}

/**
 * Takes over a lease that another process handed over, if the store says that it is still held.
 *
 * @param ticket what `handOver` returned. Each ticket is for one process.
 * @param options `ttl` is that of the ticket, or less: a renewal by the last holder may still be on its way,
 * and set the life to that.
 * @returns the lease; or null, if it has expired or was released.
 * @throws {@link StoreError} the store could not be asked, or answered too late to be of use: the ticket may be
 * tried again, and the lock lapses if it is not.
 * @throws TypeError or RangeError for an invalid ticket or invalid options, before any request.
 */
export async function adopt(
  store: LockStore,
  ticket: LeaseTicket,
  options?: Omit<LeaseOptions, 'limit'>,
): Promise<Lease | null> {
  const { name, token, ttl, fence, limit = 1 } = readTicket(ticket);
  const asked = readTerms(store, name, { ...options, ttl: options?.ttl ?? ttl }, adoptOptions);
  const terms = { ...asked, ttl: Math.min(asked.ttl, ttl), limit };
  terms.signal?.throwIfAborted();
  const start = now();
  const claim = newClaim(store, name, token, terms);
  claim.fence = fence;
  // Requests of the last holder may still be on their way, and those of earlier attempts.
  const ofLastHolder = { ttl, request: { end: start.monotonic + terms.timeout } };
  claim.doubts = [ofLastHolder, ...adoptionsInDoubt(claim)];
  const extended = askToExtend(claim, terms.ttl, terms.timeout, terms.signal);
  const ours = await extended.catch((error) => {
    adoptionFailed(claim);
    throw error;
  });
  if (!ours) return null;
  const life = shortestLife(terms.ttl, claim.doubts);
  if (until(deadlineOf(start, life)) > 0) return granted(claim, start, terms);
  throw storeError(claim, 'extend', new Error('it was extended only after its ttl'));
}

/** Null: somebody else holds the lock, and still does after `wait`. */
export async function acquireInLine(
  store: LockStore,
  name: string,
  terms: Terms,
): Promise<HeldLease | null> {
  const { wait, signal } = terms;
  if (wait === 0) return acquireOnce(store, name, terms);
  signal?.throwIfAborted();
  const start = now();
  const line = Line.at({ store, name });
  let lease: HeldLease | null;
  try {
    lease = await line.stand((bid) => attempt(store, name, terms, bid), terms, start);
  } catch (error) {
    tellAbandoned(name, terms, start, signal?.aborted ? 'abort' : 'store-error');
    throw error;
  }
  if (lease) return inTime(lease);
  tellAbandoned(name, terms, start, 'timeout');
  return null;
}

function tellAbandoned(
  name: string,
  { limit }: Terms,
  start: Moment,
  reason: DlockEvents['abandoned']['reason'],
): void {
  tell('abandoned', { name, limit }, (now) => ({ reason, waitedFor: now - start.monotonic }));
}

async function acquireOnce(
  store: LockStore,
  name: string,
  terms: Terms,
): Promise<HeldLease | null> {
  const { signal } = terms;
  signal?.throwIfAborted();
  const outcome = await attempt(store, name, terms, undefined, signal);
  return 'granted' in outcome ? null : inTime(outcome);
}

/** A grant that comes after its own deadline is no lease, and given back. */
export function inTime(lease: HeldLease): HeldLease {
  if (lease.held) return lease;
  lease.discard();
  throw storeError(lease, 'acquire', new Error('it was granted only after its ttl'));
}

/**
 * One attempt, with a token of its own, or with that of the place that its line has in the store's queue.
 * A token of which any request failed is never used again: it is given back, place and all.
 */
export async function attempt(
  store: LockStore,
  name: string,
  terms: Terms,
  bid?: Bid,
  signal?: AbortSignal,
): Promise<HeldLease | Refusal> {
  const { place, patience } = bid ?? {};
  const claim = newClaim(store, name, place?.token ?? newToken(), terms, patience);
  const start = now();
  try {
    const answer = await askToAcquire(claim, signal);
    if (answer.granted) {
      claim.fence = answer.fence;
      return granted(claim, start, terms, bid?.start);
    }
    const { retryAfter, holder, placeFor } = answer;
    tell('refused', claim, (now) => ({ retryAfter, latency: now - start.monotonic }));
    if (claim.acquires.isAnswered && patience !== undefined && placeFor !== undefined) {
      const giveUp = () => void undo(claim);
      const kept = { token: claim.token, keptFor: placeFor, giveUp };
      return { granted: false, retryAfter, holder, place: kept };
    }
    if (!claim.acquires.isAnswered || place) void undo(claim);
    return { granted: false, retryAfter, holder };
  } catch (error) {
    void undo(claim);
    if (signal?.aborted) tellAbandoned(name, terms, start, 'abort');
    throw error;
  }
}

/** @param wanted since when the caller has waited for it, if for longer than the request took. */
function granted(claim: Claim, start: Moment, terms: Terms, wanted = start): HeldLease {
  claim.since = start.monotonic;
  tell('granted', claim, (now) => ({
    ttl: claim.ttl,
    waitedFor: now - wanted.monotonic,
    latency: now - start.monotonic,
  }));
  return new HeldLease(claim, start, terms);
}
