/** A clock that stands still until it is told to go on, and can be set, or stopped, like a real one. */
import assert from 'node:assert/strict';
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
  advance(ms: number): Promise<void> {
    return this.#advanceTo(this.#monotonic + ms);
  }

  async #advanceTo(end: number): Promise<void> {
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

  /** Lets time pass, from timer to timer, until `promise` is settled. */
  async passing<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await settled();
    while (!isSettled) {
      const next = Math.min(...[...this.timers].map(({ at }) => at));
      assert.ok(next < Infinity, 'no timer is left, and the promise still pending');
      await this.#advanceTo(Math.max(this.#monotonic, next));
      await settled();
    }
    return promise;
  }

  /** Lets time pass until a condition holds; fails after `limit` milliseconds. */
  async eventually(
    what: string,
    holds: () => boolean | Promise<boolean>,
    limit = 15_000,
  ): Promise<void> {
    const end = this.#monotonic + limit;
    while (!(await this.passing(Promise.resolve(holds())))) {
      assert.ok(this.#monotonic <= end, `${what}: not within ${limit} ms`);
      await this.advance(10);
    }
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
