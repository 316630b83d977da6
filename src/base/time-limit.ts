/** A time limit around a promise, so that whoever awaits it is not kept waiting indefinitely. */
import { clock, type Vigil } from './clock.js';

/**
 * Resolves or rejects as `result` does, unless that takes longer than `ms` milliseconds. What is
 * under way is not stopped: that is for the caller to do.
 *
 * After the event loop was blocked, a timer goes off before anything is read. So what is late has
 * another turn of the loop, in which an answer that has come can still be read.
 *
 * @param missing what has not happened by then, as in `no answer` or `not connected`.
 * @param vigil whether the wait keeps the process alive.
 * @throws an Error that says so: `no answer within 5000 ms`.
 */
export function within<T>(
  ms: number,
  missing: string,
  result: Promise<T>,
  vigil: Vigil = 'awaited',
): Promise<T> {
  const set = (callback: () => void, delay: number) =>
    vigil === 'awaited' ? clock.setTimer(callback, delay) : clock.setIdleTimer(callback, delay);
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${missing} within ${Math.round(ms)} ms`));
    const lastTurn = () => {
      timer = set(late, 1);
    };
    let timer = set(lastTurn, ms);
    result.finally(() => clock.clearTimer(timer)).then(resolve, reject);
  });
}
