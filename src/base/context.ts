/** Async context (AsyncLocalStorage): what several callers share belongs to none of them. */
import { AsyncResource } from 'node:async_hooks';

/** The context in which the library was loaded. */
const shared = new AsyncResource('dlock');

/**
 * Runs what serves several callers, a shared timer or a loop, outside of the context of whoever
 * happened to start it: it must not see that caller's values, nor keep them alive.
 */
export function outsideCallers<T>(work: () => T): T {
  return shared.runInAsyncScope(work);
}
