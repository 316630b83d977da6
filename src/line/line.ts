/**
 * The line of those in this process who want one lock of one store: first come, first served. Only
 * the head of the line talks to the store, so a thousand who wait cost it what one does. In the queue
 * of the store, if it keeps one, the line has one place, whoever is its head.
 */
import { newClaim, storeErrorOf } from '../asking/ask.js';
import { inBackground } from '../asking/background.js';
import { newToken } from '../asking/token.js';
import { undo } from '../asking/undo.js';
import { onAbort } from '../base/abort.js';
import { Alarm, later, now } from '../base/clock.js';
import { outsideCallers } from '../base/context.js';
import type { HeldLease } from '../lease/lease.js';
import { type Lock, Registry } from '../lease/registry.js';
import { LastHolder } from './last-holder.js';
import { Lookout } from './lookout.js';
import { Turn } from './turn.js';

/** The store says that somebody else holds the lock, for `retryAfter` more if it knows. */
export interface Refusal {
  readonly granted: false;
  readonly retryAfter?: number | undefined;
  readonly place?: Place | undefined;
}

/** A place in the queue of the store. */
export interface Place {
  /** By which the store knows it. */
  readonly token: string;
  /** For how long, in milliseconds, unless the store is asked again. */
  readonly keptFor: number;
  /** In the background. */
  giveUp(): void;
}

/** How the line asks: by the token of its place, if it has one, and with patience if it can be woken. */
export interface Bid {
  readonly place?: Place | undefined;
  readonly patience?: number | undefined;
}

type Try = (bid: Bid) => Promise<HeldLease | Refusal>;

interface Waiter {
  readonly attempt: Try;
  /** Ends the wait; false: it was over before. Null: time ran out. */
  serve(lease: HeldLease | null): boolean;
  fail(error: unknown): boolean;
}

const lines = new Registry<Line>();

export class Line {
  readonly #lock: Lock;
  readonly #waiters = new Set<Waiter>();
  #serving = false;
  readonly #lastHolder: LastHolder;
  readonly #lookout: Lookout;
  readonly #turn = new Turn();
  #place: Place | undefined;

  /** The line for a lock. It is kept as long as somebody stands in it, or may soon again. */
  static at(lock: Lock): Line {
    const line = lines.get(lock) ?? new Line(lock);
    lines.set(lock, line);
    return line;
  }

  private constructor(lock: Lock) {
    this.#lock = lock;
    // News may overtake the answer by which the line learns of its place.
    const isOurs = (token: string) => !this.#place || token === this.#place.token;
    this.#lookout = new Lookout(lock, isOurs);
    this.#lastHolder = new LastHolder(
      lock,
      () => this.#lookout.wake(),
      () => this.#heir(),
    );
  }

  /**
   * Stands in line, and resolves to the lease, or to null once `wait` milliseconds have passed: then
   * somebody else held the lock. Rejects with the reason of `signal`, the error of the head's attempt,
   * or a StoreError if the store had not said by then who holds the lock.
   */
  stand(attempt: Try, wait: number, signal?: AbortSignal): Promise<HeldLease | null> {
    return new Promise((resolve, reject) => {
      const leave =
        <T>(settle: (outcome: T) => void) =>
        (outcome: T): boolean => {
          if (!this.#waiters.delete(waiter)) return false;
          patience.cancel();
          stopListening?.();
          if (this.#waiters.size === 0) this.#lookout.wake();
          settle(outcome);
          return true;
        };
      const start = now();
      const patience = new Alarm(() => {
        // An outage never looks like "held".
        if (this.#lastHolder.heldSince(start)) waiter.serve(null);
        else waiter.fail(this.#unanswered(wait));
      }, 'awaited');
      const waiter: Waiter = {
        attempt: (bid) => patience.runInAsyncScope(attempt, null, bid),
        serve: leave(resolve),
        fail: leave(reject),
      };
      const stopListening = signal && onAbort(signal, () => waiter.fail(signal.reason));
      patience.set(later(start, wait));
      this.#waiters.add(waiter);
      if (!this.#serving) outsideCallers(() => void inBackground(this.#lock.store, this.#serve()));
      // No wait ends without a word from the store; and one such word is for all in line.
      else if (!this.#lastHolder.isHere) this.#lookout.endWithin(wait / 2);
    });
  }

  #unanswered(wait: number): Error {
    return storeErrorOf(this.#lock.name, 'acquire', new Error(`no answer within ${wait} ms`));
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    this.#lookout.stay();
    for (const waiter of this.#waiters) {
      while (this.#waiters.has(waiter)) await this.#serveHead(waiter);
    }
    this.#serving = false;
    this.#place?.giveUp();
    this.#place = undefined;
    this.#lookout.leave(() => lines.delete(this.#lock, this));
  }

  /** One step of serving the head: a rest, or an attempt. */
  async #serveHead(waiter: Waiter): Promise<void> {
    const ms = this.#lastHolder.staysFor();
    if (ms > 0) return this.#lookout.rest(ms);
    const { release } = this.#lastHolder;
    // Where requests may overtake each other, who asks right behind a release is refused in vain.
    if (release && !this.#lock.store.ordered) await release;
    else await this.#ask(waiter, release);
  }

  /** @param release is under way, and should be carried out first. */
  async #ask(waiter: Waiter, release: Promise<unknown> | undefined): Promise<void> {
    const bid = { place: this.#place, patience: this.#lookout.patience };
    this.#lookout.asking();
    try {
      const outcome = await waiter.attempt(bid);
      this.#place = 'granted' in outcome ? outcome.place : undefined;
      const wasPassed = this.#turn.asked(!('granted' in outcome));
      if ('granted' in outcome) return this.#refused(outcome, release, wasPassed);
      this.#lookout.granted();
      // Who left the line in the meantime gets nothing, and nothing may stay behind.
      if (!waiter.serve(outcome)) outcome.discard();
    } catch (error) {
      this.#place = undefined;
      // The head asked for all, and all must hear of an outage in time.
      for (const waiter of this.#waiters) waiter.fail(error);
    }
  }

  async #refused(
    { retryAfter, place }: Refusal,
    release: Promise<unknown> | undefined,
    wasPassed: boolean,
  ): Promise<void> {
    this.#lastHolder.seen();
    // Whoever has a place will be called, even if the release is carried out only after this attempt; but
    // nobody calls an heir.
    if (release && (!place || wasPassed)) await release;
    else await this.#lookout.restRefused(retryAfter, place?.keptFor);
  }

  /** The token for the next of this line, to which the lock is passed on while the turn lasts. */
  #heir(): string | undefined {
    const { store, name } = this.#lock;
    const { patience } = this.#lookout;
    if (patience === undefined || this.#waiters.size === 0 || !this.#turn.pass()) return undefined;
    if (!this.#place) {
      const token = newToken();
      const terms = { ttl: patience, timeout: store.timeout ?? 5_000 };
      const giveUp = () => void undo(newClaim(store, name, token, terms));
      this.#place = { token, keptFor: 0, giveUp };
    }
    return this.#place.token;
  }
}
