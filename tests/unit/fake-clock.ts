/** A clock that stands still until it is told to go on, and can be set, or stopped, like a real one. */
import { type Clock, useClock } from '../../src/base/clock.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #monotonic = 1_000;
  #wall = 1_700_000_000_000;
  readonly timers = new Set<Timer>();

  /** Puts a fake clock in place of the system's. */
  static install(): FakeClock {
    const clock = new FakeClock();
    useClock(clock);
    return clock;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  wall(): number {
    return this.#wall;
  }

  setTimer(callback: () => void, ms: number): unknown {
    // Node.js cuts longer ones short.
    const timer = { at: this.#monotonic + Math.min(Math.max(1, ms), 2 ** 31 - 1), callback };
    this.timers.add(timer);
    return timer;
  }

  setIdleTimer(callback: () => void, ms: number): unknown {
    return this.setTimer(callback, ms);
  }

  clearTimer(timer: unknown): void {
    this.timers.delete(timer as Timer);
  }

  refTimer(): void {}

  unrefTimer(): void {}

  /** Lets time pass; timers go off in order, and what waits for them goes on before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    await settled();
    for (;;) {
      const next = [...this.timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#pass(Math.max(0, next.at - this.#monotonic));
      this.timers.delete(next);
      next.callback();
      await settled();
    }
    this.#pass(end - this.#monotonic);
  }

  /** Lets time pass while the event loop is blocked: no timer goes off. */
  block(ms: number): void {
    this.#pass(ms);
  }

  /** Suspends the machine: the monotonic clock stands still, and the timers with it. */
  suspend(ms: number): void {
    this.#wall += ms;
  }

  /** Sets the wall clock, as a person or NTP does. */
  step(ms: number): void {
    this.#wall += ms;
  }

  #pass(ms: number): void {
    this.#monotonic += ms;
    this.#wall += ms;
  }
}

/** Lets everything that is ready to go on do so. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
