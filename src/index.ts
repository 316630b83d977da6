/** The public names of Dlock. */
export { tryAcquire } from './acquire.js';
export { DlockError, LeaseLostError, StoreError } from './errors.js';
export type { DlockEvents, LeaseEvent } from './events.js';
export type { Lease } from './lease.js';
export type { LeaseOptions } from './options.js';
export type { Attempt, LockStore } from './store.js';
