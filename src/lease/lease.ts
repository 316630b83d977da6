/** A lease: the caller's handle on a lock it holds. */
import type { InspectOptions, inspect } from 'node:util';
import { askToExtend, askToRelease, type Claim, certainLife } from '../asking/ask.js';
import type { Terms } from '../asking/terms.js';
import { undo } from '../asking/undo.js';
import { checkOptions, checkTime } from '../base/arguments.js';
import { clock, type Moment } from '../base/clock.js';
import { warn } from '../base/events.js';
import { lockNamed } from '../base/names.js';
import { Life } from './life.js';
import { signalOf } from './signals.js';
import type { LeaseTicket } from './ticket.js';

/**
 * A lock that this process holds for a limited time, and keeps by renewal until it is released. `await using`
 * releases it when its block is left, however that happens.
 */
export interface Lease extends AsyncDisposable {
  /** The name of the lock. */
  readonly name: string;
  /** 128 random bits that identify this holder to the store. Anyone who knows them can release the lease. */
  readonly token: string;
  /**
   * Strictly grows from one holder of the lock to the next; undefined where the store cannot promise that.
   * Have whatever the lease protects refuse a fence smaller than the last it saw: that, and nothing else,
   * keeps out a holder that was stopped and wakes up late (Kleppmann, "How to do distributed locking").
   */
  readonly fence: number | undefined;
  /**
   * Aborts, with a `LeaseLostError` as its reason, no later than the lease stops being valid. A release does
   * not abort it. Under `lead`, it also aborts when the caller's own signal does.
   */
  readonly signal: AbortSignal;
  /** By the clock, without asking the store: true only while nobody else can hold the lock. */
  readonly held: boolean;
  /** Milliseconds of validity left; 0 once lost or released. */
  readonly remaining: number;
  /** Throws a `LeaseLostError` unless `held`. */
  assertHeld(): void;
  /**
   * Sets the lease to live for a whole ttl from now, and sets the ttl of future renewals.
   *
   * @param ttl in milliseconds; default: that of the last extension, or of the lease.
   * @throws {@link LeaseLostError} if the lease is lost.
   * @throws {@link StoreError} if the outcome is unknown: the old deadline applies, or the new one if that is
   * earlier.
   */
  extend(ttl?: number): Promise<void>;
  /**
   * Gives the lock back. A second call returns what the first did, without a request.
   *
   * @param options `after`: let the lock lapse in that many milliseconds instead of now.
   * @returns true if the lease was still held; false if it had been lost before.
   * @throws {@link StoreError} if the outcome is unknown. The lock is then free after its ttl at
   * the latest.
   */
  release(options?: { after?: number | undefined }): Promise<boolean>;
  /**
   * Gives the lease to the process that receives the ticket and calls `adopt` with it before the ttl has
   * passed: renewal stops, disposal does nothing, and `release` returns true without a request.
   *
   * @throws {@link LeaseLostError} if the lease is not held.
   */
  handOver(): LeaseTicket;
}

/** The lease of a claim that the store granted. */
export class HeldLease implements Lease {
  readonly #claim: Claim;
  readonly #life: Life;
  /** Until when the lock stays taken even if released, by the monotonic clock: the one that cannot be set. */
  readonly #minHoldEnd: number;
  readonly #recall: AbortSignal | undefined;
  #release: Promise<boolean> | undefined;
  #handedOver = false;
  #signal: AbortSignal | undefined;

  constructor(claim: Claim, start: Moment, { renew, minHold, recall }: Terms) {
    this.#claim = claim;
    // A lower bound: unlike the validity, it counts from when the lock was certainly taken.
    this.#minHoldEnd = clock.monotonic() + minHold;
    this.#recall = recall;
    this.#life = new Life(claim, start, renew, this);
  }

  get name(): string {
    return this.#claim.name;
  }

  get token(): string {
    return this.#claim.token;
  }

  get fence(): number | undefined {
    return this.#claim.fence;
  }

  get signal(): AbortSignal {
    this.#signal ??= signalOf(this, this.#recall ? [this.lost, this.#recall] : [this.lost]);
    const { lossReason } = this.#life;
    // Where nobody has noticed yet, to look must change nothing for those who listen.
    return lossReason && !this.lost.aborted ? AbortSignal.abort(lossReason) : this.#signal;
  }

  /** Aborts with the loss alone, for the library's own use: to look at it is not to have heard of the loss. */
  get lost(): AbortSignal {
    return this.#life.signal;
  }

  get held(): boolean {
    return this.#life.remaining > 0;
  }

  get remaining(): number {
    return this.#life.remaining;
  }

  assertHeld(): void {
    this.#life.assertHeld();
  }

  async extend(ttl?: number): Promise<void> {
    if (ttl !== undefined) checkTime(lockNamed(this.name), 'ttl', ttl, 1, this.#claim.store.maxTtl);
    await this.#life.extend(ttl);
  }

  async release(options: { after?: number | undefined } = {}): Promise<boolean> {
    const lock = () => lockNamed(this.name);
    checkOptions(lock, options, ['after']);
    const { after = 0 } = options;
    checkTime(lock, 'after', after, 0, this.#claim.store.maxTtl);
    this.#release ??= this.#giveBack(after);
    return this.#release;
  }

  /** Gives back, in the background and at once, what nobody has received. */
  discard(): void {
    const asked = clock.monotonic();
    const wasHeld = this.#life.stop();
    void undo(this.#claim);
    this.#life.holder.end();
    if (wasHeld) this.#life.tellReleased(0, asked, 'unconfirmed');
  }

  handOver(): LeaseTicket {
    this.assertHeld();
    this.#life.stop();
    this.#life.holder.end();
    this.#handedOver = true;
    this.#release = Promise.resolve(true);
    const { name, token, fence, limit } = this.#claim;
    const ttl = certainLife(this.#claim, this.#life.ttl);
    this.#life.tellHandedOver(ttl);
    const ticket = { name, token, ttl, ...(fence !== undefined && { fence }) };
    return limit === 1 ? ticket : { ...ticket, limit };
  }

  /** How `console.log` shows a lease: without the token, which is a secret, and without any effect. */
  [Symbol.for('nodejs.util.inspect.custom')](
    _depth: number,
    options: InspectOptions,
    show: typeof inspect,
  ): string {
    const { name, fence } = this;
    const { phase, remaining } = this.#life;
    const ended = this.#handedOver ? 'handed over' : 'released';
    const state = phase === 'stopped' ? ended : phase;
    return `Lease ${show({ name, state, remaining: Math.floor(remaining), fence }, options)}`;
  }

  /** Never throws, never hides: if nobody has looked at `signal`, a process warning reports the problem. */
  async [Symbol.asyncDispose](): Promise<void> {
    const told = this.#release !== undefined || this.#signal !== undefined;
    try {
      if ((await this.release()) || told) return;
      warn(`The lease on ${lockNamed(this.name)} was lost`, 'DLOCK_LEASE_LOST');
    } catch (error) {
      if (!told) warn((error as Error).message, 'DLOCK_RELEASE_IN_DOUBT');
    }
  }

  async #giveBack(after: number): Promise<boolean> {
    const asked = clock.monotonic();
    const wasHeld = this.#life.stop();
    const life = Math.max(after, Math.ceil(this.#minHoldEnd - asked));
    if (!wasHeld) {
      // What is left of it in the store is of no use to anybody, unless the lock was to stay taken.
      if (life <= 0) await this.#free().catch(() => {});
      return false;
    }
    const answer = life > 0 ? this.#letLapse(life) : this.#free(this.#life.holder.heir?.());
    this.#life.holder.end(answer, life);
    let ours: boolean;
    try {
      ours = await answer;
    } catch (error) {
      this.#life.tellReleased(life, asked, 'unconfirmed');
      throw error;
    }
    if (ours) this.#life.tellReleased(life, asked, 'confirmed');
    else this.#life.lose('the store says that it is not ours');
    return ours;
  }

  /** A renewal that is still in flight must not come after, and give the lock its whole ttl again. */
  async #letLapse(life: number): Promise<boolean> {
    await this.#life.settled();
    return this.#undoingDoubt(askToExtend(this.#claim, life), life);
  }

  #free(heir?: string): Promise<boolean> {
    return this.#undoingDoubt(askToRelease(this.#claim, undefined, heir));
  }

  /** Requests whose outcome is unknown must not hold the lock beyond the `life` that is left to it. */
  async #undoingDoubt(answer: Promise<boolean>, life = 0): Promise<boolean> {
    const claim = this.#claim;
    let inDoubt = !claim.acquires.isOver || (life > 0 && claim.doubts.length > 0);
    try {
      return await answer;
    } catch (error) {
      inDoubt = true;
      throw error;
    } finally {
      if (inDoubt) void undo(claim, life);
    }
  }
}
