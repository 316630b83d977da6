/**
 * Fairness where the store keeps no queue: whoever has just had the lock stays away from it for a moment,
 * and asks less often than those who have been waiting. So nobody starves, although nobody knows who else
 * waits, or for how long. All times are in milliseconds, by the monotonic clock.
 */
import { clock } from '../base/clock.js';
import { spread } from '../base/pauses.js';

/** The pauses of those whom nobody wakes. */
const shortestPoll = 25;
const longestPoll = 1_000;
/** What a pause is of what the last wait took, and of the time since the lock last changed hands. */
const shareOfWait = 1 / 8;
const shareOfHold = 1 / 3;
/** The end of one life, as two answers have it, differs by less than that: their ways differ in length. */
const sameEnd = 20;
/** The longest time for which whoever had the lock stays away from it. */
const longestAway = 250;
/** The longest time over which those who are woken together spread their attempts. */
const longestWindow = 32;
/** How long those who are woken need to ask. */
const wakeTime = 5;
/** How often the lock is left to others who do not take it, before they count as gone. */
const patience = 8;
/** How many refusals a wait is expected to take, before any wait is known. */
const usual = 8;

/** What a refusal says of the holder, if anything. */
export interface Seen {
  readonly holder?: string | undefined;
  readonly retryAfter?: number | undefined;
}

export class Courtesy {
  /** Since the last grant. */
  #refusals = 0;
  #firstRefusal = 0;
  /** The holder at the last refusal, when its life was to end, and since when it is known to hold the lock. */
  #holder: string | undefined;
  #end = 0;
  #since = 0;
  /** What the last wait took, in refusals and in time. */
  #lastRefusals = 0;
  #lastWait = 0;
  /** How many times the lock is still to be left to others. */
  #left = 0;

  /** Whether others want the lock, as far as is known. */
  get isDue(): boolean {
    return this.#left > 0;
  }

  refused({ holder, retryAfter = Infinity }: Seen): void {
    const now = clock.monotonic();
    const end = now + retryAfter;
    // Two ends that are not known are no difference: then it is not a number.
    const hasSameEnd = !(Math.abs(end - this.#end) > sameEnd);
    const isSame = holder === this.#holder && hasSameEnd;
    if (this.#refusals === 0) this.#firstRefusal = now;
    if (this.#refusals === 0 || !isSame) this.#since = now;
    this.#holder = holder;
    this.#end = end;
    this.#refusals += 1;
  }

  granted(): void {
    if (this.#refusals === 0) {
      this.#left = Math.max(0, this.#left - 1);
      return;
    }
    this.#lastWait = this.#waited;
    this.#lastRefusals = this.#refusals;
    this.#refusals = 0;
    this.#left = patience;
  }

  /** How long to stay away from the lock after it was given back. */
  awayPause(isWoken: boolean): number {
    if (isWoken) return this.#window + wakeTime;
    return Math.min(longestAway, inPolls(this.#lastWait * shareOfWait));
  }

  /**
   * How long whoever is woken lets others go first: the less, the more of its expected wait is over, and less
   * and less beyond that.
   */
  wakePause(): number {
    const over = this.#refusals / (this.#lastRefusals || usual);
    const isBack = this.#lastRefusals > 0;
    const left = isBack ? Math.max(0, 1 - over) : 0;
    return (this.#window * (left + Math.random() / 2)) / Math.max(1, over);
  }

  /** The pause until the next attempt, if nobody wakes: twice as long for those who have just had the lock. */
  pollPause(): number {
    const over = Math.min(1, this.#waited / (this.#lastWait || 1));
    const byWait = this.#lastWait * shareOfWait * (2 - over);
    const byHold = (clock.monotonic() - this.#since) * shareOfHold;
    return spread(inPolls(Math.max(byWait, byHold)));
  }

  get #waited(): number {
    return clock.monotonic() - this.#firstRefusal;
  }

  /** Over how long those who are woken spread their attempts: the more of them, the longer. */
  get #window(): number {
    return Math.min(longestWindow, 2 * Math.max(this.#lastRefusals, this.#refusals));
  }
}

/** As long as a pause between polls may be. */
function inPolls(ms: number): number {
  return Math.min(longestPoll, Math.max(shortestPoll, ms));
}
