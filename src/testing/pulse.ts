/** What a case says of time is worth nothing where the machine, or the store's server, stood still meanwhile. */
import { setTimeout as delay } from 'node:timers/promises';
import type { LockStore } from 'dlock-js';

/** In milliseconds. */
const [interval, longestBeat] = [100, 400];
const token = 'b'.repeat(32);

/** A lock that is taken and given back all the time, so that it shows how long that takes. */
export class Pulse {
  readonly #store: LockStore;
  readonly #lock: string;
  readonly #ended: Promise<void>;
  #isStopped = false;
  /** When the beat under way was due, by the monotonic clock. */
  #due = performance.now() + interval;
  /** The end of the last beat that took too long. */
  #lastStall = Number.NEGATIVE_INFINITY;

  constructor(store: LockStore, lock: string) {
    this.#store = store;
    this.#lock = lock;
    this.#ended = this.#beat();
  }

  /** @param start by the monotonic clock. */
  hasStalledSince(start: number): boolean {
    const now = performance.now();
    return this.#lastStall >= start || now - this.#due > longestBeat;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #beat(): Promise<void> {
    while (!this.#isStopped) {
      this.#due = performance.now() + interval;
      await delay(interval);
      try {
        await this.#store.acquire(this.#lock, token, 5_000);
        await this.#store.release(this.#lock, token);
      } catch {
        // A store that fails has cases that say so.
      }
      const now = performance.now();
      if (now - this.#due > longestBeat) this.#lastStall = now;
    }
  }
}

/**
 * Runs a case, and anew if it failed while the pulse stood still, up to three times in all.
 *
 * @param again is told of each time.
 */
export async function steadily(
  pulse: Pulse | undefined,
  run: () => Promise<void>,
  again: (error: unknown) => void,
): Promise<void> {
  for (let left = 2; ; left--) {
    const start = performance.now();
    try {
      return await run();
    } catch (error) {
      if (left === 0 || !pulse?.hasStalledSince(start)) throw error;
      again(error);
    }
  }
}
