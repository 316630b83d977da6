/** When the head of a line asks the store again: once it is woken, or has rested for long enough. */
import { growingPauses } from '../base/pauses.js';
import type { Lock } from '../lease/registry.js';
import { Rest } from './rest.js';

/** The longest rest of a head whom the store wakes, in milliseconds: a wake-up may get lost. */
const longestRest = 3_000;
/** The rests of a head whom nobody wakes grow from the first to the last of these. */
const shortestPoll = 25;
const longestPoll = 1_000;

const polls = () => growingPauses(shortestPoll, longestPoll);

export class Lookout {
  readonly #lock: Lock;
  /** Refusals in a row, and the rests after those to come. */
  #refusals = 0;
  #rests = polls();
  /** The rest of the head; undefined while the store is asked. */
  #rest: Rest | undefined;
  /** The head was woken from its rest, or soon will be. */
  #woken = false;
  /** The head was woken while it asked: what it is told may be out of date. */
  #wokenEarly = false;
  #watch: Promise<AsyncDisposable | undefined> | undefined;
  #isWatched = false;

  constructor(lock: Lock) {
    this.#lock = lock;
  }

  /** The head asks: whatever wakes it from now on may be news to the store's answer. */
  asking(): void {
    this.#wokenEarly = false;
  }

  granted(): void {
    if (this.#refusals === 0) return;
    this.#refusals = 0;
    if (!this.#isWatched) this.#rests = polls();
  }

  /** Rests after a refusal. @param retryAfter in milliseconds, if the store knows. */
  async restRefused(retryAfter: number): Promise<void> {
    this.#refusals += 1;
    this.#openWatch();
    const rest = Math.min(this.#rests.next().value, retryAfter);
    await this.rest(this.#wokenEarly ? this.#courtesy() : rest);
  }

  /** Rests until woken, or until `ms` milliseconds have passed. */
  async rest(ms: number): Promise<void> {
    this.#woken = false;
    this.#rest = new Rest(ms);
    await this.#rest.over;
    this.#rest = undefined;
  }

  /** Ends the rest, if there is one, in `ms` milliseconds at the latest. */
  endWithin(ms: number): void {
    this.#rest?.endWithin(ms);
  }

  /** Wakes the head now, or in `ms`, if nobody has done so yet. */
  wake(ms = 0): void {
    this.#wokenEarly = true;
    if (ms <= 0) this.#rest?.end();
    else if (!this.#woken) this.#rest?.endWithin(ms);
    this.#woken = true;
  }

  close(): void {
    this.#watch?.then((watch) => watch?.[Symbol.asyncDispose]()).catch(() => {});
  }

  /**
   * How long who is woken lets others go first: not at all at first, later a little. A process that
   * hands its lock down its own line wakes all the others each time, in vain.
   */
  #courtesy(): number {
    return this.#refusals <= 2 ? 0 : Math.random() * Math.min(32, 2 ** this.#refusals);
  }

  /** A watch that cannot be opened is no error: the head polls. */
  #openWatch(): void {
    if (this.#watch) return;
    const { store, name } = this.#lock;
    const open = async () => store.watch?.(name, () => this.wake(this.#courtesy()));
    const opening = open().catch(() => undefined);
    this.#watch = opening;
    void opening.then((opened) => {
      if (!opened) return;
      this.#isWatched = true;
      this.#rests = growingPauses(longestRest, longestRest);
      // What happened before the watch was open went unnoticed: ask once more.
      this.wake();
    });
  }
}
