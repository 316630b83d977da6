/** Forgets the locks that nobody needs any more, now and then, in the background. */
import { clock } from '../base/clock.js';
import { outsideCallers } from '../base/context.js';

/** The least time between the beginnings of two sweeps of a store, in milliseconds. */
const interval = 3_600_000;

export class Sweep {
  readonly #forget: () => Promise<unknown>;
  /** By the monotonic clock. */
  #nextAt = -Infinity;
  #running: Promise<unknown> = Promise.resolve();

  constructor(forget: () => Promise<unknown>) {
    this.#forget = forget;
  }

  /** At most once an hour. A sweep that fails is made up for by the next. */
  begin(): void {
    if (clock.monotonic() < this.#nextAt) return;
    this.#nextAt = clock.monotonic() + interval;
    this.#running = outsideCallers(() => this.#forget()).catch(() => {});
  }

  async settled(): Promise<void> {
    await this.#running;
  }
}
