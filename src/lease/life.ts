/**
 * The life of one lease: until when it is valid, and how it ends. It knows nothing of the handle that
 * the caller holds, so that a forgotten handle can be collected.
 */
import { askToExtend, type Claim, certainLife } from '../asking/ask.js';
import { Alarm } from '../base/alarm.js';
import { earliest, later, type Moment, now, until } from '../base/clock.js';
import { shortestLife } from '../base/doubt.js';
import type { LeaseLostError } from '../base/errors.js';
import { tell } from '../base/events.js';
import { Holder } from './holders.js';
import { Loss } from './loss.js';
import { Renewal } from './renewal.js';

/**
 * When a lease stops being valid: its ttl after the request left, less a margin of 1 % and 2 ms for
 * clocks that do not run alike. The store starts to count later, so it cannot let go earlier. The
 * margin is that of the Redlock algorithm (redis.io, "Distributed Locks with Redis").
 */
export function deadlineOf(start: Moment, ttl: number): Moment {
  return later(start, ttl - ttl * 0.01 - 2);
}

type Phase = 'held' | 'stopped' | 'lost';

const timeRanOut = 'its time ran out';

export class Life {
  readonly #claim: Claim;
  /** The lease as the line of this process sees it. */
  readonly holder: Holder;
  readonly #renewal: Renewal;
  readonly #loss: Loss;
  readonly #alarm = new Alarm(() => this.#tick());
  #phase: Phase = 'held';

  constructor(claim: Claim, start: Moment, renew: boolean, handle: WeakKey) {
    this.#claim = claim;
    // Only an adopted lease has extensions in doubt: those that were when it was asked for.
    const life = shortestLife(claim.ttl, claim.doubts);
    this.holder = new Holder(claim, claim.limit, deadlineOf(start, life));
    this.#renewal = new Renewal(claim, start, life, renew, handle);
    this.#loss = new Loss(claim.name);
    this.#rest();
    // Last: a failure before that must leave no holder behind.
    this.holder.begin();
  }

  /** Of the extensions to come, in milliseconds. */
  get ttl(): number {
    return this.#renewal.ttl;
  }

  /** As the clock has it: a deadline that nobody has noticed yet counts, and goes on unnoticed. */
  get phase(): Phase {
    return this.#phase === 'held' && this.remaining === 0 ? 'lost' : this.#phase;
  }

  /** Milliseconds of validity left, as the clock has it. */
  get remaining(): number {
    return this.#phase === 'held' ? Math.max(0, until(this.holder.deadline)) : 0;
  }

  /** Aborts when the loss of the lease is noticed. */
  get signal(): AbortSignal {
    return this.#loss.signal;
  }

  /** Why the lease is lost; undefined unless it is. */
  get lossReason(): LeaseLostError | undefined {
    return this.phase === 'lost'
      ? this.#loss.because(timeRanOut, this.#renewal.trouble)
      : undefined;
  }

  assertHeld(): void {
    if (this.#isHeld()) return;
    throw this.lossReason ?? this.#loss.error('it was released or handed over');
  }

  /** Extends the lease to a whole ttl from now, after any extension that is under way. */
  async extend(ttl = this.ttl, timeout?: number): Promise<void> {
    while (this.#renewal.inFlight) await this.settled();
    this.assertHeld();
    return this.#renewal.follow(this.#extend(ttl, timeout)).finally(() => this.#rest());
  }

  /** Resolves when the extension in flight, if any, has come to its end. */
  async settled(): Promise<void> {
    await this.#renewal.inFlight?.catch(() => {});
  }

  /** Ends renewal and the deadline, silently; false if the lease was lost before. */
  stop(): boolean {
    if (!this.#isHeld()) return false;
    this.#end('stopped');
    return true;
  }

  /** Ends the lease as lost, finally, and tells so. */
  lose(reason: string, cause?: unknown): void {
    if (this.#phase === 'lost') return;
    this.#end('lost');
    const error = this.#loss.because(reason, cause);
    // Whoever noticed it: those who listen hear of it in the context of the lease's own caller.
    this.#alarm.runInAsyncScope(() => {
      tell('lost', this.#claim, (now) => ({ error, heldFor: now - this.#claim.since }));
      this.holder.end();
      this.#loss.tell();
    });
  }

  /**
   * Tells that it was given back, to lapse in `life` milliseconds.
   *
   * @param asked when the store was asked to, by the monotonic clock.
   */
  tellReleased(life: number, asked: number, outcome: 'confirmed' | 'unconfirmed'): void {
    tell('released', this.#claim, (now) => ({
      after: Math.max(0, life),
      heldFor: asked - this.#claim.since,
      latency: outcome === 'confirmed' ? now - asked : undefined,
    }));
  }

  /** @param ttl the time to adopt it, in milliseconds. */
  tellHandedOver(ttl: number): void {
    tell('handed-over', this.#claim, (now) => ({ ttl, heldFor: now - this.#claim.since }));
  }

  /** Notices that the time is over, if it is. */
  #isHeld(): boolean {
    const { phase } = this;
    if (phase === 'lost') this.lose(timeRanOut, this.#renewal.trouble);
    return phase === 'held';
  }

  async #extend(ttl: number, timeout?: number): Promise<void> {
    const start = now();
    const life = certainLife(this.#claim, ttl);
    // Until the answer comes, a shorter life may already be true, and a longer one not yet.
    this.holder.deadline = earliest(this.holder.deadline, deadlineOf(start, ttl));
    this.#renewal.asked(start, ttl);
    this.#rest();
    try {
      const ours = await askToExtend(this.#claim, ttl, timeout);
      if (!ours && this.#phase === 'held') this.lose('the store says that it is not ours');
    } catch (error) {
      this.#renewal.trouble = error;
      throw error;
    }
    this.assertHeld();
    this.holder.deadline = deadlineOf(start, life);
    this.#renewal.granted(start, life);
    tell('renewed', this.#claim, (now) => ({ ttl, latency: now - start.monotonic }));
  }

  #tick(): void {
    if (!this.#isHeld()) return;
    if (until(this.#renewal.due) <= 0) this.#renew();
    this.#rest();
  }

  /** An unknown outcome is retried soon, until the deadline; a loss has been told already. */
  #renew(): void {
    this.#renewal.begin();
    this.extend(undefined, Math.min(this.#claim.timeout, Math.ceil(this.ttl / 3))).catch(() => {});
  }

  /** Sets the alarm for what comes next: the deadline, or a renewal. */
  #rest(): void {
    if (this.#phase === 'held') this.#alarm.set(earliest(this.holder.deadline, this.#renewal.due));
  }

  #end(phase: 'stopped' | 'lost'): void {
    this.#phase = phase;
    this.#alarm.cancel();
    this.#renewal.end();
  }
}
