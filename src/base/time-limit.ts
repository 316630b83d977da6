/** Time limits, so that whoever waits for something is not kept waiting indefinitely. */
import { Alarm, type Vigil } from './alarm.js';

/**
 * Calls back once its time is over, unless it is ended before.
 *
 * After the event loop was blocked, a timer goes off before anything is read. So what is late has
 * another turn of the loop, in which an answer that has come can still be read.
 */
export class TimeLimit {
  readonly #alarm: Alarm;
  #isLastTurn = false;

  /** @param vigil whether the wait keeps the process alive. */
  constructor(ms: number, late: () => void, vigil: Vigil = 'awaited') {
    const ring = () => {
      if (this.#isLastTurn) return late();
      this.#isLastTurn = true;
      this.#alarm.setIn(1);
    };
    this.#alarm = new Alarm(ring, vigil);
    this.#alarm.setIn(ms);
  }

  end(): void {
    this.#alarm.cancel();
  }
}

/**
 * Resolves or rejects as `result` does, unless that takes longer than `ms` milliseconds. What is
 * under way is not stopped: that is for the caller to do.
 *
 * @param missing what has not happened by then, as in `no answer` or `not connected`.
 * @param vigil whether the wait keeps the process alive.
 * @throws an Error that says so: `no answer within 5000 ms`.
 */
export function within<T>(
  ms: number,
  missing: string,
  result: Promise<T>,
  vigil?: Vigil,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${missing} within ${Math.round(ms)} ms`));
    const limit = new TimeLimit(ms, late, vigil);
    result.finally(() => limit.end()).then(resolve, reject);
  });
}
