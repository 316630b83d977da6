/** When the head of a line asks the store again: once it is woken, or has rested for long enough. */
import { clock } from '../base/clock.js';
import { spread } from '../base/pauses.js';
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';
import { Courtesy, type Seen } from './courtesy.js';
import { Rest } from './rest.js';
import { Watch } from './watch.js';

/** The longest rest of a head whom the store wakes, in milliseconds: a wake-up may get lost. */
const longestRest = 3_000;
/** The share of the time for which the store keeps a place after which it is asked again. */
const restShare = 0.6;

export class Lookout {
  readonly #watch: Watch;
  readonly #courtesy = new Courtesy();
  /** The rest of the head; undefined while the store is asked. */
  #rest: Rest | undefined;
  /**
   * When the head is to wake, by the monotonic clock, because of what it has heard since it began to rest,
   * or to ask: then what it is told may be out of date.
   */
  #wakeAt = Infinity;
  /** What the store has set an alarm for, by the monotonic clock. */
  #alarmAt = Infinity;
  /** When somebody is to hear from the store at the latest, by the monotonic clock. */
  #askBy = Infinity;
  /** The store keeps a queue, and the line a place in it while it waits. */
  #isQueued = false;

  /** @param isOurs whether news about a token may be for this line. */
  constructor(lock: Lock, isOurs: (token: string) => boolean) {
    this.#watch = new Watch(lock, ({ token, after }: News = {}) => {
      if (token !== undefined && !isOurs(token)) return;
      if (after !== undefined) this.#setAlarm(after);
      else this.wake(this.#isQueued ? 0 : this.#courtesy.wakePause());
    });
  }

  /** What the store may count on; undefined while it cannot wake anybody. */
  get patience(): number | undefined {
    return this.#watch.isOpen ? longestRest / restShare : undefined;
  }

  /** Whether others want the lock, too, as far as is known. */
  get isContended(): boolean {
    return this.#courtesy.isDue;
  }

  /** For how many milliseconds others may still go first, if this process gave the lock back at `end`. */
  giveWayFor(end: number): number {
    if (this.#isQueued || !this.isContended) return 0;
    const until = Math.min(end + this.#courtesy.awayPause(this.#watch.isOpen), this.#askBy);
    return until - clock.monotonic();
  }

  /**
   * The head asks: whatever wakes it from now on may be news to the store's answer. An alarm that is still to come
   * holds: the answer may be given right before what it is set for.
   */
  asking(): void {
    if (this.#alarmAt <= clock.monotonic()) this.#alarmAt = Infinity;
    this.#wakeAt = this.#alarmAt;
    this.#askBy = Infinity;
  }

  granted(): void {
    this.#alarmAt = Infinity;
    this.#courtesy.granted();
  }

  /**
   * Rests after a refusal: until `retryAfter`, if the store knows that, or `lastLook`, by the monotonic clock, unless
   * that is past; and not for as long as the store keeps a place.
   */
  async restRefused(seen: Seen, lastLook: number, keptFor?: number): Promise<void> {
    const { retryAfter = Infinity } = seen;
    this.#courtesy.refused(seen);
    this.#isQueued = keptFor !== undefined;
    // What happened before the watch was open went unnoticed: ask once more.
    this.#watch.open(() => this.wake());
    const present = clock.monotonic();
    const woken = this.#wakeAt - present;
    const last = lastLook > present ? lastLook - present : Infinity;
    await this.rest(Math.max(0, Math.min(this.#longestRest(keptFor), retryAfter, last, woken)));
  }

  /** Rests until woken, or until `ms` milliseconds have passed. */
  async rest(ms: number): Promise<void> {
    this.#wakeAt = Infinity;
    this.#rest = new Rest(ms);
    await this.#rest.over;
    this.#rest = undefined;
  }

  /** Somebody is to hear from the store within `ms` milliseconds. */
  askWithin(ms: number): void {
    this.#askBy = Math.min(this.#askBy, clock.monotonic() + ms);
    this.#rest?.endWithin(ms);
  }

  /** The same, by that moment of the monotonic clock, unless it is past. */
  askBy(moment: number): void {
    const ms = moment - clock.monotonic();
    if (ms > 0) this.askWithin(ms);
  }

  /** Wakes the head now, or in `ms`, if nobody has done so yet. */
  wake(ms = 0): void {
    if (ms <= 0 || this.#wakeAt === Infinity) this.#wakeWithin(ms);
  }

  /** Nobody waits to be woken any more. */
  close(): void {
    this.#watch.close();
  }

  #setAlarm(ms: number): void {
    this.#alarmAt = Math.min(this.#alarmAt, clock.monotonic() + ms);
    this.#wakeWithin(ms);
  }

  #wakeWithin(ms: number): void {
    this.#wakeAt = Math.min(this.#wakeAt, clock.monotonic() + ms);
    if (ms <= 0) this.#rest?.end();
    else this.#rest?.endWithin(ms);
  }

  #longestRest(keptFor: number | undefined): number {
    if (keptFor !== undefined) return spread(keptFor * restShare);
    return this.#watch.isOpen ? spread(longestRest) : this.#courtesy.pollPause();
  }
}
