/** A rest between two looks, which may end sooner than planned. */
import { clock } from '../base/clock.js';

export class Rest {
  /** Resolves when the rest is over. */
  readonly over: Promise<void>;
  #end = () => {};
  #timer: unknown;
  /** By the monotonic clock. */
  #endsAt = Infinity;

  /** Rests for `ms` milliseconds at most. */
  constructor(ms: number) {
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.endWithin(ms);
  }

  /** Ends the rest in `ms` milliseconds, unless it ends sooner anyway. */
  endWithin(ms: number): void {
    const endsAt = clock.monotonic() + ms;
    if (endsAt >= this.#endsAt) return;
    this.#endsAt = endsAt;
    clock.clearTimer(this.#timer);
    this.#timer = clock.setTimer(this.#end, ms);
  }

  end(): void {
    clock.clearTimer(this.#timer);
    this.#end();
  }
}
