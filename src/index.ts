/**
 * The public names of Dlock.
 *
 * @module dlock-js
 */
export { acquire, adopt, tryAcquire } from './acquire.js';
export {
  AcquireTimeoutError,
  DlockError,
  type DlockErrorOptions,
  LeaseLostError,
  type Operation,
  StoreError,
} from './base/errors.js';
export type { DlockEvents, LeaseEvent } from './base/events.js';
export type { Lease } from './lease.js';
export { locked, type Outcome } from './locked.js';
export { once } from './once.js';
export type { AcquireOptions, LeaseOptions, OnceOptions } from './options.js';
export type { Attempt, LockStore } from './store.js';
export type { LeaseTicket } from './ticket.js';
