/** Taking a lock. */
import { askToAcquire, type Claim, storeError } from './ask.js';
import { clock, now, until } from './clock.js';
import { tell } from './events.js';
import { deadlineOf } from './keepalive.js';
import { HeldLease, type Lease } from './lease.js';
import { type LeaseOptions, readTerms, type Terms } from './options.js';
import type { LockStore } from './store.js';
import { newToken } from './token.js';
import { undo } from './undo.js';

/**
 * Tries once to take the lock `name`.
 *
 * ```ts
 * await using lease = await tryAcquire(store, 'import');
 * if (!lease) return; // another server has it
 * await runImport(lease.signal);
 * ```
 *
 * @param name any text but the empty one; equal names are the same lock.
 * @returns the lease, or null: the store said that somebody else holds the lock.
 * @throws {@link StoreError} the store could not be asked, or its answer came too late to be of
 * use. Nothing is left behind: what it may have granted is given back in the background.
 * @throws TypeError or RangeError for arguments that cannot be meant, before any request.
 */
export async function tryAcquire(
  store: LockStore,
  name: string,
  options?: LeaseOptions,
): Promise<Lease | null> {
  const terms = readTerms(store, name, options);
  terms.signal?.throwIfAborted();
  return attempt(store, name, terms);
}

/** One attempt, with a token of its own. */
async function attempt(store: LockStore, name: string, terms: Terms): Promise<Lease | null> {
  const { ttl, timeout, signal } = terms;
  const token = newToken();
  const claim: Claim = { store, name, token, ttl, timeout, requests: [], fence: undefined };
  const start = now();
  try {
    const answer = await askToAcquire(claim, signal);
    const duration = clock.monotonic() - start.monotonic;
    if (!answer.granted) {
      const { retryAfter } = answer;
      tell('refused', claim, () => ({ retryAfter, duration }));
      if (claim.requests.length > 1) void undo(claim);
      return null;
    }
    if (until(deadlineOf(start, ttl)) <= 0) {
      throw storeError(
        claim,
        'acquire',
        new Error(`it was granted only after its ttl of ${ttl} ms`),
      );
    }
    claim.fence = answer.fence;
    tell('granted', claim, () => ({ ttl, duration }));
    return new HeldLease(claim, start, terms);
  } catch (error) {
    void undo(claim);
    throw error;
  }
}
