/** Running a piece of work under a lock. */

import { type AcquireOptions, checkBody, checkLock, readTerms } from '../asking/terms.js';
import { warn } from '../base/events.js';
import type { Lease } from '../lease/lease.js';
import type { LockStore } from '../store.js';
import { acquireInLine } from './acquire.js';

/** The outcome: the value of the body, or the reason why the body did not run. */
export type Outcome<T, Reason extends string = 'held'> =
  | { ran: true; value: T }
  | { ran: false; reason: Reason };

/**
 * Runs `body` while holding the lock `name`; does not run it if somebody else holds the lock, and
 * still does once `wait` (default: 0, do not wait) has passed.
 *
 * ```ts
 * const outcome = await locked(store, 'import', (lease) => runImport(lease.signal));
 * if (!outcome.ran) console.log('another server has it');
 * ```
 *
 * @param options `minHold` counts from the start whether or not the body succeeds, unlike with `once`: if a
 * body that fails freed the lock at once, every server in turn would start it.
 * @throws what `body` threw, whatever became of the lease.
 * @throws {@link LeaseLostError} the body is done, but the lease was lost before.
 * @throws {@link StoreError}, the reason of `signal`, TypeError, RangeError: as `acquire` does.
 */
export async function locked<T>(
  store: LockStore,
  name: string,
  body: (lease: Lease) => T | Promise<T>,
  options?: AcquireOptions,
): Promise<Outcome<T>> {
  checkLock(store, name);
  checkBody(name, body);
  const terms = readTerms(store, name, options);
  const lease = await acquireInLine(store, name, terms);
  if (!lease) return { ran: false, reason: 'held' };
  const value = await runUnder(lease, body);
  return { ran: true, value };
}

/** What becomes of a body's value, and of its lock. */
export interface Ending<T> {
  /** In how many milliseconds the lock is to lapse. Default: at once. */
  readonly after?: (value: T) => number;
  /** Whether the value stands although the lease was lost. Default: no. */
  readonly stands?: (value: T) => boolean;
}

export async function runUnder<T>(
  lease: Lease,
  body: (lease: Lease) => T | Promise<T>,
  { after = () => 0, stands = () => false }: Ending<T> = {},
): Promise<T> {
  let value: T;
  try {
    value = await body(lease);
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
  // A store that is down now does not take away the result of a body that was done in time.
  const life = Math.max(0, Math.ceil(after(value)));
  const ours = await lease.release({ after: life }).catch((error: Error) => {
    warn(error.message, 'DLOCK_RELEASE_IN_DOUBT');
    return true;
  });
  if (!ours && !stands(value)) throw lease.signal.reason;
  return value;
}
