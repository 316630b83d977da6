/**
 * How a line lets others go first where the store keeps no queue, so that nobody starves: whoever has
 * just had the lock lets those who wait ask before it, and whoever has waited for as long as the last
 * time lets nobody go first any more. All times are in milliseconds, of the monotonic clock.
 */
import { clock } from '../base/clock.js';
import { spread } from '../base/pauses.js';

/** The pauses of those whom nobody wakes. */
const shortestPoll = 25;
const longestPoll = 1_000;
/** The share of the time since the lock last changed hands, or of what the last wait took. */
const pollShare = 1 / 8;
/** The end of a life, as two answers have it, differs by less than that. */
const sameEnd = 100;
/** For no longer does whoever had the lock stay away from it. */
const longestAway = 250;
/** Those who are woken together ask within this time, one after the other as far as possible. */
const longestWindow = 32;
/** What it takes those who are woken to ask. */
const wakeTime = 5;
/** So many times the lock is left to others who do not take it, until they are taken to be gone. */
const patience = 8;
/** What a first wait is taken to take, in refusals. */
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
    const isSame = holder === this.#holder && !(Math.abs(end - this.#end) > sameEnd);
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
    return isWoken ? this.#window + wakeTime : Math.min(poll(this.#lastWait), longestAway);
  }

  /** How long whoever is woken lets others go first: the less, the longer it has waited. */
  wakePause(): number {
    const expected = this.#lastRefusals || usual;
    const share = Math.min(1, this.#refusals / expected);
    const rest = this.#lastRefusals ? 1 - share : 0;
    return this.#window * (rest + Math.random() / 2) * Math.min(1, expected / this.#refusals);
  }

  /** The pause until the next attempt, if nobody wakes: twice as long for those who have just come. */
  pollPause(): number {
    const share = Math.min(1, this.#waited / (this.#lastWait || 1));
    return spread(poll(this.#expected * (2 - share)));
  }

  get #waited(): number {
    return clock.monotonic() - this.#firstRefusal;
  }

  get #expected(): number {
    return Math.max(this.#lastWait, clock.monotonic() - this.#since);
  }

  /** The more are woken together, the longer. */
  get #window(): number {
    return Math.min(longestWindow, 2 * Math.max(this.#lastRefusals, this.#refusals));
  }
}

function poll(expected: number): number {
  return Math.min(longestPoll, Math.max(shortestPoll, expected * pollShare));
}
