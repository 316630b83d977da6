/**
 * The line of those in this process who want one lock of one store: first come, first served. Only
 * the head of the line talks to the store, so a thousand who wait cost it what one does.
 */
import { storeErrorOf } from '../asking/ask.js';
import { inBackground } from '../asking/background.js';
import { onAbort } from '../base/abort.js';
import { Alarm, clock, later, type Moment, now, until } from '../base/clock.js';
import { outsideCallers } from '../base/context.js';
import type { StoreError } from '../base/errors.js';
import { type Holder, holderOf } from '../lease/holders.js';
import type { HeldLease } from '../lease/lease.js';
import { type Lock, Registry } from '../lease/registry.js';
import type { LockStore } from '../store.js';
import { Rest } from './rest.js';

/** The store says that somebody else holds the lock, for `retryAfter` more if it knows. */
export interface Refusal {
  readonly granted: false;
  readonly retryAfter?: number | undefined;
}

type Try = () => Promise<HeldLease | Refusal>;

interface Waiter {
  readonly attempt: Try;
  /** Ends the wait; false: it was over before. Null: time ran out. */
  serve(lease: HeldLease | null): boolean;
  fail(error: unknown): boolean;
}

/** The longest rest of a head whom the store wakes, in milliseconds: a wake-up may get lost. */
const longestRest = 3_000;
/** The rests of a head whom nobody wakes double from the first to the last of these. */
const shortestPoll = 25;
const longestPoll = 1_000;

/**
 * How often in a row an attempt that left right behind a release of this process was refused,
 * though the release was granted. On such a store requests overtake each other, or a release takes
 * several; then the next attempt waits for the release.
 */
const overtakings = new WeakMap<LockStore, number>();
const tooManyOvertakings = 3;

const lines = new Registry<Line>();

export class Line {
  readonly #lock: Lock;
  readonly #waiters = new Set<Waiter>();
  #serving = false;
  /** The release of the last holder, until it is answered. */
  #release: Promise<boolean | undefined> | undefined;
  /** When the lock comes free that the last holder left to lapse. */
  #lapse: Moment | undefined;
  /** Refusals in a row. */
  #refusals = 0;
  /** The rest of the head; undefined while the store is asked. */
  #rest: Rest | undefined;
  /** The head was woken from its rest, or soon will be. */
  #woken = false;
  /** Until when somebody is known to have held the lock, or to hold it, by the monotonic clock. */
  #heldUntil = -Infinity;
  /** The head was woken while it asked: what it is told may be out of date. */
  #wokenEarly = false;
  #watch: Promise<AsyncDisposable | undefined> | undefined;
  #watched = false;

  /** The line for a lock. It is kept as long as somebody stands in it. */
  static at(lock: Lock): Line {
    const line = lines.get(lock) ?? new Line(lock);
    lines.set(lock, line);
    return line;
  }

  private constructor(lock: Lock) {
    this.#lock = lock;
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
          if (this.#waiters.size === 0) this.#wake();
          settle(outcome);
          return true;
        };
      const start = now();
      const patience = new Alarm(() => {
        if (this.#wasHeldSince(start)) waiter.serve(null);
        else waiter.fail(this.#unanswered(wait));
      }, 'awaited');
      const waiter: Waiter = {
        attempt: () => patience.runInAsyncScope(attempt),
        serve: leave(resolve),
        fail: leave(reject),
      };
      const stopListening = signal && onAbort(signal, () => waiter.fail(signal.reason));
      patience.set(later(start, wait));
      this.#waiters.add(waiter);
      if (!this.#serving) outsideCallers(() => void inBackground(this.#lock.store, this.#serve()));
      // No wait ends without a word from the store; and one such word is for all in line.
      else if (!holderOf(this.#lock)) this.#rest?.endWithin(wait / 2);
    });
  }

  /**
   * An outage never looks like "held": the store said so since `start`, or this very process held the
   * lock. That the head rests says nothing: its rest may be overdue, in a process that was stopped.
   */
  #wasHeldSince(start: Moment): boolean {
    return this.#heldUntil >= start.monotonic || holderOf(this.#lock) !== undefined;
  }

  #unanswered(wait: number): StoreError {
    return storeErrorOf(this.#lock.name, 'acquire', new Error(`no answer within ${wait} ms`));
  }

  async #serve(): Promise<void> {
    this.#serving = true;
    for (const waiter of this.#waiters) {
      while (this.#waiters.has(waiter)) await this.#serveHead(waiter);
    }
    this.#close();
  }

  /** One step of serving the head: a rest, or an attempt. */
  async #serveHead(waiter: Waiter): Promise<void> {
    const holder = holderOf(this.#lock);
    if (holder) return this.#restBehind(holder);
    const lapsesIn = this.#lapse ? until(this.#lapse) : 0;
    if (lapsesIn > 0) return this.#restFor(lapsesIn);
    this.#lapse = undefined;
    await this.#ask(waiter);
  }

  async #ask(waiter: Waiter): Promise<void> {
    const release = this.#release;
    if (release && (overtakings.get(this.#lock.store) ?? 0) >= tooManyOvertakings) {
      await release;
      return;
    }
    this.#wokenEarly = false;
    try {
      const outcome = await waiter.attempt();
      if ('granted' in outcome) return this.#refused(outcome, release);
      if (release) overtakings.set(this.#lock.store, 0);
      this.#refusals = 0;
      // Who left the line in the meantime gets nothing, and nothing may stay behind.
      if (!waiter.serve(outcome)) outcome.discard();
    } catch (error) {
      // The head asked for all, and all must hear of an outage in time.
      for (const waiter of this.#waiters) waiter.fail(error);
    }
  }

  /** While this very process holds the lock, nobody asks the store. */
  #restBehind(holder: Holder): Promise<void> {
    holder.onEnd = (release, after = 0) => {
      this.#heldUntil = clock.monotonic() + after;
      if (release) this.#follow(release);
      if (after > 0) this.#lapse = later(now(), after);
      this.#wake();
    };
    return this.#restFor(Infinity);
  }

  async #refused(
    { retryAfter = Infinity }: Refusal,
    release: Promise<boolean | undefined> | undefined,
  ): Promise<void> {
    this.#heldUntil = clock.monotonic();
    if (release) {
      const overtook = await release;
      if (overtook) overtakings.set(this.#lock.store, (overtakings.get(this.#lock.store) ?? 0) + 1);
      return;
    }
    this.#refusals += 1;
    this.#openWatch();
    const rest = this.#watched
      ? longestRest
      : Math.min(longestPoll, shortestPoll * 2 ** (this.#refusals - 1));
    const jittered = rest * (0.75 + Math.random() / 4);
    await this.#restFor(this.#wokenEarly ? this.#courtesy() : Math.min(jittered, retryAfter));
  }

  /**
   * How long who is woken lets others go first: not at all at first, later a little. A process that
   * hands its lock down its own line wakes all the others each time, in vain.
   */
  #courtesy(): number {
    return this.#refusals <= 2 ? 0 : Math.random() * Math.min(32, 2 ** this.#refusals);
  }

  /** Rests until woken, or until `ms` have passed. */
  async #restFor(ms: number): Promise<void> {
    this.#woken = false;
    this.#rest = new Rest(ms);
    await this.#rest.over;
    this.#rest = undefined;
  }

  /** Wakes the head now, or in `ms`, if nobody has done so yet. */
  #wake(ms = 0): void {
    this.#wokenEarly = true;
    if (ms <= 0) this.#rest?.end();
    else if (!this.#woken) this.#rest?.endWithin(ms);
    this.#woken = true;
  }

  #follow(release: Promise<boolean>): void {
    const answered = release.catch(() => undefined);
    this.#release = answered;
    void answered.then((ours) => {
      if (this.#release === answered) this.#release = undefined;
      if (ours) return;
      // Nothing is known of a lapse any more.
      this.#lapse = undefined;
      this.#heldUntil = Math.min(this.#heldUntil, clock.monotonic());
      this.#wake();
    });
  }

  /** A watch that cannot be opened is no error: the head polls. */
  #openWatch(): void {
    if (this.#watch) return;
    const { store, name } = this.#lock;
    const open = async () => store.watch?.(name, () => this.#wake(this.#courtesy()));
    const opening = open().catch(() => undefined);
    this.#watch = opening;
    void opening.then((opened) => {
      if (!opened || this.#watch !== opening) return;
      this.#watched = true;
      // What happened before the watch was open went unnoticed: ask once more.
      this.#wake();
    });
  }

  #close(): void {
    this.#watch?.then((watch) => watch?.[Symbol.asyncDispose]()).catch(() => {});
    lines.delete(this.#lock, this);
  }
}
