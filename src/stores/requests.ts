/** What is asked of a store: by Dlock, never by its users. */
import type { Operation } from '../base/errors.js';

/** What a user calls instead. */
const instead: Record<Operation, string> = {
  acquire: 'tryAcquire(store, name)',
  extend: 'extend() of the lease',
  release: 'release() of the lease',
};

/**
 * An editor suggests the methods of a store to its users. Without a token and a life, a store would
 * grant a lock that nobody renews, and nobody can give back.
 *
 * @param ttl 0 for what needs none.
 * @throws TypeError that names what to call instead.
 */
export function checkRequest(operation: Operation, token: string, ttl: number): void {
  if (typeof token === 'string' && token !== '' && typeof ttl === 'number' && ttl >= 0) return;
  throw new TypeError(
    `${operation}() of a store is called by Dlock, with a token: call ${instead[operation]} instead`,
  );
}

/**
 * The same, for a store that writes beside its tokens what is none: a promise, or that the lock is shared. That
 * begins with `>`.
 *
 * @throws TypeError also for a token that does.
 */
export function checkMarkedRequest(operation: Operation, token: string, ttl: number): void {
  checkRequest(operation, token, ttl);
  if (token.startsWith('>')) throw new TypeError('A token must not begin with ">"');
}
