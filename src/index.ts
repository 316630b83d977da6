/**
 * The public names of Dlock.
 *
 * @module dlock-js
 */
export { acquire, adopt, tryAcquire } from './api/acquire.js';
export { acquireAll, tryAcquireAll } from './api/all.js';
export { lead } from './api/lead.js';
export { locked, type Outcome } from './api/locked.js';
export { once } from './api/once.js';
export type { Run } from './api/run.js';
export { type SettledOptions, settled } from './api/settled.js';
export type { AcquireOptions, LeadOptions, LeaseOptions, OnceOptions } from './asking/terms.js';
export {
  AcquireTimeoutError,
  DlockError,
  type DlockErrorOptions,
  LeaseLostError,
  type Operation,
  StoreError,
} from './base/errors.js';
export { type DlockEvents, type LeaseEvent, type LockEvent, subscribe } from './base/events.js';
export type { Lease } from './lease/lease.js';
export type { Leases } from './lease/leases.js';
export type { LeaseTicket } from './lease/ticket.js';
export type { Attempt, LockStore, News, Query } from './store.js';
