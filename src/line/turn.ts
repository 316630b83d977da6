/** For how long a line keeps a lock for which other processes wait, once it has it. */
import { clock } from '../base/clock.js';

/** A turn ends after this time, in milliseconds, and after so many leases. */
const longest = 25;
const most = 10;

export class Turn {
  #end = -Infinity;
  #leases = 0;
  #isPassed = false;

  /** Passes the lock on within the line, if the turn goes on; false: it is over. */
  pass(): boolean {
    this.#isPassed = clock.monotonic() < this.#end && this.#leases < most;
    return this.#isPassed;
  }

  /** The store was asked. @returns whether the lock had been passed on. */
  asked(isGranted: boolean): boolean {
    const wasPassed = this.#isPassed;
    this.#isPassed = false;
    if (isGranted && !wasPassed) {
      this.#end = clock.monotonic() + longest;
      this.#leases = 0;
    }
    this.#leases += 1;
    return wasPassed;
  }
}
