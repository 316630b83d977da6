/** When the head of a line asks the store again: once it is woken, or has rested for long enough. */
import { clock } from '../base/clock.js';
import { growingPauses, spread } from '../base/pauses.js';
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';
import { Rest } from './rest.js';
import { Watch } from './watch.js';

/** The longest rest of a head whom the store wakes, in milliseconds: a wake-up may get lost. */
const longestRest = 3_000;
/** The share of the time for which the store keeps a place after which it is asked again. */
const restShare = 0.6;
/** The rests of a head whom nobody wakes grow from the first to the last of these. */
const shortestPoll = 25;
const longestPoll = 1_000;

const polls = () => growingPauses(shortestPoll, longestPoll);

export class Lookout {
  readonly #watch: Watch;
  /** Refusals in a row, and the rests after those to come while nobody wakes the head. */
  #refusals = 0;
  #polls = polls();
  /** The rest of the head; undefined while the store is asked. */
  #rest: Rest | undefined;
  /**
   * When the head is to wake, by the monotonic clock, because of what it has heard since it began to rest,
   * or to ask: then what it is told may be out of date.
   */
  #wakeAt = Infinity;
  /** The store keeps a queue, and the line a place in it while it waits. */
  #isQueued = false;

  /** @param isOurs whether news about a token may be for this line. */
  constructor(lock: Lock, isOurs: (token: string) => boolean) {
    this.#watch = new Watch(lock, ({ token, after }: News = {}) => {
      if (token !== undefined && !isOurs(token)) return;
      if (after === undefined) this.wake(this.#courtesy());
      else this.#wakeWithin(after);
    });
  }

  /** What the store may count on; undefined while it cannot wake anybody. */
  get patience(): number | undefined {
    return this.#watch.isOpen ? longestRest / restShare : undefined;
  }

  /** The head asks: whatever wakes it from now on may be news to the store's answer. */
  asking(): void {
    this.#wakeAt = Infinity;
  }

  granted(): void {
    if (this.#refusals === 0) return;
    this.#refusals = 0;
    this.#polls = polls();
  }

  /** Rests after a refusal: until `retryAfter`, if the store knows that; and not for as long as it keeps a place. */
  async restRefused(retryAfter = Infinity, keptFor?: number): Promise<void> {
    this.#refusals += 1;
    this.#isQueued = keptFor !== undefined;
    // What happened before the watch was open went unnoticed: ask once more.
    this.#watch.open(() => this.wake());
    const woken = this.#wakeAt - clock.monotonic();
    await this.rest(Math.max(0, Math.min(this.#longestRest(keptFor), retryAfter, woken)));
  }

  /** Rests until woken, or until `ms` milliseconds have passed. */
  async rest(ms: number): Promise<void> {
    this.#wakeAt = Infinity;
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
    if (ms <= 0 || this.#wakeAt === Infinity) this.#wakeWithin(ms);
  }

  /** Somebody stands in line again. */
  stay(): void {
    this.#watch.keepOpen();
  }

  /** Nobody stands in line any more. Those who take turns soon come again; whoever gave up does not. */
  leave(onLeft: () => void): void {
    const comesAgain = this.#isQueued && this.#refusals === 0 && this.#watch.isOpen;
    const close = () => {
      this.#watch.close();
      onLeft();
    };
    if (comesAgain) this.#watch.later(close);
    else close();
  }

  #wakeWithin(ms: number): void {
    this.#wakeAt = Math.min(this.#wakeAt, clock.monotonic() + ms);
    if (ms <= 0) this.#rest?.end();
    else this.#rest?.endWithin(ms);
  }

  #longestRest(keptFor: number | undefined): number {
    if (keptFor !== undefined) return spread(keptFor * restShare);
    return this.#watch.isOpen ? spread(longestRest) : this.#polls.next().value;
  }

  /**
   * How long whoever is woken lets others go first: not at all at first, later a little. Without a queue, a
   * process that hands its lock down its own line wakes all the others each time, in vain.
   */
  #courtesy(): number {
    const isCalled = this.#isQueued || this.#refusals <= 2;
    return isCalled ? 0 : Math.random() * Math.min(32, 2 ** this.#refusals);
  }
}
