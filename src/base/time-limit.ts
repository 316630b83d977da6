/** A time limit around a promise, so that whoever awaits it is not kept waiting indefinitely. */
import { clock } from './clock.js';

/**
 * Resolves or rejects as `result` does, unless that takes longer than `ms` milliseconds. What is
 * under way is not stopped: that is for the caller to do.
 *
 * @param missing what has not happened by then, as in `no answer` or `not connected`.
 * @throws an Error that says so: `no answer within 5000 ms`.
 */
export function within<T>(ms: number, missing: string, result: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${missing} within ${ms} ms`));
    const timer = clock.setTimer(late, ms);
    result.finally(() => clock.clearTimer(timer)).then(resolve, reject);
  });
}
