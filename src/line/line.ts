/**
 * The line of those in this process who want one lock of one store: first come, first served. Only
 * the head of the line talks to the store, so a thousand who wait cost it what one does. In the queue
 * of the store, if it keeps one, the line has one place, whoever is its head.
 */
import { storeErrorOf } from '../asking/ask.js';
import { inBackground } from '../asking/background.js';
import { onAbort } from '../base/abort.js';
import { Alarm } from '../base/alarm.js';
import { later, type Moment, now } from '../base/clock.js';
import { outsideCallers } from '../base/context.js';
import type { Holder } from '../lease/holders.js';
import type { HeldLease } from '../lease/lease.js';
import { type Lock, Registry } from '../lease/registry.js';
import type { Seen } from './courtesy.js';
import { LastHolder } from './last-holder.js';
import { Lookout } from './lookout.js';
import { type Place, Turn } from './turn.js';

/** The store says that somebody else holds the lock, and what it knows of that. */
export interface Refusal extends Seen {
  readonly granted: false;
  readonly place?: Place | undefined;
}

/** How the line asks: by the token of its place, if it has one, and with patience if it can be woken. */
export interface Bid {
  /** When the caller for whom it asks began to wait. */
  readonly start: Moment;
  readonly place?: Place | undefined;
  readonly patience?: number | undefined;
}

type Try = (bid: Bid) => Promise<HeldLease | Refusal>;

interface Wanted {
  readonly wait: number;
  readonly signal: AbortSignal | undefined;
  readonly limit: number;
}

interface Waiter {
  readonly start: Moment;
  readonly attempt: Try;
  /** How many may hold the lock at once. */
  readonly limit: number;
  /** When it is to ask for the last time, by the monotonic clock. */
  readonly lastLook: number;
  /** Ends the wait; false: it was over before. Null: time ran out. */
  serve(lease: HeldLease | null): boolean;
  fail(error: unknown): boolean;
}

/** For how long a line stays for those who come again, with its watch, in milliseconds. */
const linger = 1_000;

/**
 * How long before the end of its wait the head asks for the last time, at most, in milliseconds: a lock that came
 * free without a word, as one of another library does, is not to be called held.
 */
const lastAnswer = 250;

const lines = new Registry<Line>();

export class Line {
  readonly #lock: Lock;
  readonly #waiters = new Set<Waiter>();
  #serving = false;
  readonly #lastHolder: LastHolder;
  readonly #lookout: Lookout;
  readonly #turn: Turn;
  /** Set while nobody stands in line. */
  readonly #closing = new Alarm(() => this.#leave());

  /** The line for a lock. It is kept as long as somebody stands in it, or may soon again. */
  static at(lock: Lock): Line {
    const line = lines.get(lock) ?? outsideCallers(() => new Line(lock));
    lines.set(lock, line);
    return line;
  }

  private constructor(lock: Lock) {
    this.#lock = lock;
    this.#turn = new Turn(lock);
    this.#lookout = new Lookout(lock, (token) => this.#turn.mayHave(token));
    this.#lastHolder = new LastHolder(
      lock,
      (holder) => this.#holderEnded(holder),
      () => (this.#waiters.size > 0 ? this.#turn.pass(this.#lookout.patience) : undefined),
    );
  }

  /**
   * Stands in line since `start`, and resolves to the lease, or to null once `wait` milliseconds have passed: then
   * somebody else held the lock. Rejects with the reason of `signal`, the error of the head's attempt,
   * or a StoreError if the store had not said by then who holds the lock.
   */
  stand(attempt: Try, { wait, signal, limit }: Wanted, start: Moment): Promise<HeldLease | null> {
    return new Promise((resolve, reject) => {
      const leave =
        <T>(settle: (outcome: T) => void) =>
        (outcome: T): boolean => {
          const [head] = this.#waiters;
          if (!this.#waiters.delete(waiter)) return false;
          patience.cancel();
          stopListening?.();
          const [next] = this.#waiters;
          if (waiter === head) this.#headLeft(waiter, next);
          settle(outcome);
          return true;
        };
      const patience = new Alarm(() => {
        // An outage never looks like "held". Whatever keeps out the head keeps out who stands behind it.
        const [head = waiter] = this.#waiters;
        const smallest = Math.min(limit, head.limit);
        if (this.#lastHolder.heldSince(start, smallest)) waiter.serve(null);
        else waiter.fail(this.#unanswered(wait));
      }, 'awaited');
      const waiter: Waiter = {
        start,
        attempt: (bid) => patience.runInAsyncScope(attempt, null, bid),
        limit,
        lastLook: start.monotonic + wait - Math.min(wait / 4, lastAnswer),
        serve: leave(resolve),
        fail: leave(reject),
      };
      const stopListening = signal && onAbort(signal, () => waiter.fail(signal.reason));
      patience.set(later(start, wait));
      this.#waiters.add(waiter);
      // No wait ends without a word from the store; and one such word is for all in line.
      if (!this.#lastHolder.fills(limit)) this.#lookout.askWithin(wait / 2);
      if (!this.#serving) outsideCallers(() => void inBackground(this.#lock.store, this.#serve()));
    });
  }

  /** The rest was that of a head with its own limit, and its own last look. */
  #headLeft({ limit }: Waiter, next: Waiter | undefined): void {
    if (next?.limit === limit) this.#lookout.askBy(next.lastLook);
    else this.#lookout.wake();
  }

  #unanswered(wait: number): Error {
    return storeErrorOf(this.#lock.name, 'acquire', new Error(`no answer within ${wait} ms`));
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    this.#closing.cancel();
    for (const waiter of this.#waiters) {
      while (this.#waiters.has(waiter)) await this.#serveHead(waiter);
    }
    this.#serving = false;
    this.#turn.end();
    this.#linger();
  }

  /** Reopening the watch for every turn would cost more than the turns themselves. */
  #linger(): void {
    if (this.#lookout.isContended) this.#closing.set(later(now(), linger));
    else this.#leave();
  }

  /** While this process holds the lock, the line stays, and remembers that others want it. */
  #leave(): void {
    this.#lookout.close();
    if (!this.#lookout.isContended || !this.#lastHolder.follow()) lines.delete(this.#lock, this);
  }

  #holderEnded(holder?: Holder): void {
    // Who waits in the store's queue for room among others is called when it is its turn.
    if (!holder || holder.isAlone || !this.#turn.place) this.#lookout.wake();
    if (!this.#serving) this.#linger();
  }

  /** One step of serving the head: a rest, or an attempt. */
  async #serveHead(waiter: Waiter): Promise<void> {
    const stays = this.#lastHolder.staysFor(waiter.limit);
    // Nobody behind the line is to wait for a process that is itself in the way of its head.
    if (stays === Infinity) this.#turn.end();
    const ms = Math.max(stays, this.#giveWayFor());
    if (ms > 0) return this.#lookout.rest(ms);
    const { release } = this.#lastHolder;
    // Where requests may overtake each other, who asks right behind a release is refused in vain.
    if (release && !this.#lock.store.ordered) await release;
    else await this.#ask(waiter, release);
  }

  /** @param release is under way, and should be carried out first. */
  async #ask(waiter: Waiter, release: Promise<unknown> | undefined): Promise<void> {
    const { start } = waiter;
    const bid = { start, place: this.#turn.place, patience: this.#lookout.patience };
    this.#lookout.asking();
    try {
      const outcome = await waiter.attempt(bid);
      if ('granted' in outcome) return this.#refused(waiter, outcome, release);
      this.#turn.granted();
      this.#lookout.granted();
      this.#lastHolder.follow();
      // Who left the line in the meantime gets nothing, and nothing may stay behind.
      if (!waiter.serve(outcome)) outcome.discard();
    } catch (error) {
      this.#turn.refused();
      // The head asked for all, and all must hear of an outage in time.
      for (const waiter of this.#waiters) waiter.fail(error);
    }
  }

  async #refused(
    { lastLook }: Waiter,
    { place, ...seen }: Refusal,
    release: Promise<unknown> | undefined,
  ): Promise<void> {
    const { isPassed } = this.#turn;
    this.#turn.refused(place);
    this.#lastHolder.seen();
    // Whoever has a place is called, even if the release is carried out only after this attempt. An heir is
    // not called.
    if (release && (!place || isPassed)) await release;
    else await this.#lookout.restRefused(seen, lastLook, place?.keptFor);
  }

  /** How long others may go first, where this process has just had the lock. */
  #giveWayFor(): number {
    return this.#turn.isPassed ? 0 : this.#lookout.giveWayFor(this.#lastHolder.end);
  }
}
