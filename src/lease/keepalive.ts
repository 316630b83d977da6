/**
 * The life of one lease: until when it is valid, its renewal, and how its loss is told. It knows
 * nothing of the handle that the caller holds, so that a forgotten handle can be collected.
 */
import { askToExtend, type Claim, certainLife } from '../asking/ask.js';
import { Alarm, earliest, later, type Moment, never, now, until } from '../base/clock.js';
import { LeaseLostError } from '../base/errors.js';
import { tell, warn } from '../base/events.js';
import { lockNamed, partsOf } from '../base/names.js';
import { Holder } from './holders.js';

/**
 * When a lease stops being valid: its ttl after the request left, less a margin of 1 % and 2 ms for
 * clocks that do not run alike. The store starts to count later, so it cannot let go earlier. The
 * margin is that of the Redlock algorithm (redis.io, "Distributed Locks with Redis").
 */
function deadlineOf(start: Moment, ttl: number): Moment {
  return later(start, ttl - ttl * 0.01 - 2);
}

export class KeepAlive {
  static readonly #forgotten = new FinalizationRegistry<KeepAlive>((life) => life.#forsake());

  readonly #claim: Claim;
  /** How the lease looks to those who wait for its lock in this process. */
  readonly holder: Holder;
  readonly #alarm = new Alarm(() => this.#tick());
  #state: 'held' | 'stopped' | 'lost' = 'held';
  /** Of the renewals to come. */
  ttl: number;
  #deadline: Moment;
  #renews: boolean;
  /** When the next renewal is due. */
  #renewAt: Moment;
  /** The extension in flight; there is never more than one. */
  #extending: Promise<void> | undefined;
  /** Why the last extension failed, for the error that tells of the loss. */
  #trouble: unknown;
  #loss: LeaseLostError | undefined;
  /** Made when somebody asks for the signal. */
  #controller: AbortController | undefined;
  /** The caller's handle, until the first renewal: most leases end sooner, and watching is not free. */
  #handle: WeakKey | undefined;

  constructor(claim: Claim, start: Moment, renew: boolean, handle: WeakKey) {
    this.#claim = claim;
    this.ttl = claim.ttl;
    this.#deadline = deadlineOf(start, claim.ttl);
    this.#renews = renew;
    this.#renewAt = renewalAfter(start, claim.ttl);
    this.#handle = handle;
    this.#rest();
    this.holder = new Holder(claim);
  }

  /** Milliseconds of validity left, by the clock; 0 once lost or stopped. Looking is noticing. */
  get remaining(): number {
    if (this.#state !== 'held') return 0;
    const remaining = until(this.#deadline);
    if (remaining > 0) return remaining;
    this.lose('its time ran out', this.#trouble);
    return 0;
  }

  /** Aborts when the lease is lost. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.remaining === 0 && this.#loss) this.#controller.abort(this.#loss);
    return this.#controller.signal;
  }

  /** What a debugger sees: a loss is not noticed, which would change what others see. */
  look(): { state: 'held' | 'stopped' | 'lost'; remaining: number } {
    if (this.#state !== 'held') return { state: this.#state, remaining: 0 };
    const remaining = Math.max(0, Math.floor(until(this.#deadline)));
    return { state: remaining > 0 ? 'held' : 'lost', remaining };
  }

  /** Whether anybody asked for the signal, and so hears of a loss. */
  get observed(): boolean {
    return this.#controller !== undefined;
  }

  assertHeld(): void {
    if (this.remaining > 0) return;
    throw this.#loss ?? this.#lost('it was released or handed over');
  }

  /** Extends the lease to a whole ttl from now, after any extension that is under way. */
  async extend(ttl = this.ttl, timeout?: number): Promise<void> {
    while (this.#extending) await this.#extending.catch(() => {});
    this.assertHeld();
    this.#extending = this.#extend(ttl, timeout).finally(() => {
      this.#extending = undefined;
      this.#rest();
    });
    return this.#extending;
  }

  /** Resolves when the extension in flight, if any, has come to its end. */
  async settled(): Promise<void> {
    await this.#extending?.catch(() => {});
  }

  /** Ends renewal and the deadline, silently; false if the lease was lost before. */
  stop(): boolean {
    if (this.remaining === 0) return false;
    this.#end('stopped');
    return true;
  }

  /** Ends the lease as lost, finally, and tells so. */
  lose(reason: string, cause?: unknown): void {
    if (this.#state === 'lost') return;
    this.#end('lost');
    const error = this.#lost(reason, cause);
    this.#loss = error;
    // Whoever noticed it: those who listen hear of it in the context of the lease's own caller.
    this.#alarm.runInAsyncScope(() => {
      tell('lost', this.#claim, () => ({ error }));
      this.holder.end();
      this.#controller?.abort(error);
    });
  }

  async #extend(ttl: number, timeout?: number): Promise<void> {
    const start = now();
    const life = certainLife(this.#claim, ttl);
    // Until the answer comes, a shorter life may already be true, and a longer one not yet.
    this.#deadline = earliest(this.#deadline, deadlineOf(start, ttl));
    this.ttl = ttl;
    this.#renewAt = later(start, ttl / 12);
    this.#rest();
    try {
      const ours = await askToExtend(this.#claim, ttl, timeout);
      if (!ours && this.#state === 'held') this.lose('the store says that it is not ours');
    } catch (error) {
      this.#trouble = error;
      throw error;
    }
    this.assertHeld();
    this.#trouble = undefined;
    this.#deadline = deadlineOf(start, life);
    this.#renewAt = renewalAfter(start, life);
    tell('renewed', this.#claim, () => ({ ttl }), start.monotonic);
  }

  #tick(): void {
    if (this.remaining === 0) return;
    if (until(this.#renewal) <= 0) this.#renew();
    this.#rest();
  }

  get #renewal(): Moment {
    return this.#renews && !this.#extending ? this.#renewAt : never;
  }

  /** An unknown outcome is retried soon, until the deadline; a loss has been told already. */
  #renew(): void {
    if (this.#handle) {
      KeepAlive.#forgotten.register(this.#handle, this, this);
      this.#handle = undefined;
    }
    this.extend(undefined, Math.min(this.#claim.timeout, Math.ceil(this.ttl / 3))).catch(() => {});
  }

  /** Sets the alarm for what comes next: the deadline, or a renewal. */
  #rest(): void {
    if (this.#state === 'held') this.#alarm.set(earliest(this.#deadline, this.#renewal));
  }

  #end(state: 'stopped' | 'lost'): void {
    this.#state = state;
    this.#alarm.cancel();
    if (!this.#handle) KeepAlive.#forgotten.unregister(this);
    this.#handle = undefined;
  }

  /** Nobody can release the lease any more: it lapses, and its signal still tells when. */
  #forsake(): void {
    this.#renews = false;
    warn(
      `The lease on ${lockNamed(this.#claim.name)} was forgotten, and is not renewed any more`,
      'DLOCK_LEASE_FORGOTTEN',
    );
  }

  #lost(reason: string, cause?: unknown): LeaseLostError {
    const { name } = this.#claim;
    const message = `The lease on ${lockNamed(name)} is lost: ${reason}`;
    const { lock } = partsOf(name);
    return new LeaseLostError(message, cause ? { lock, cause } : { lock });
  }
}

/**
 * A third of the ttl after `start`, or a little earlier: leases taken together renew apart. But only
 * at certain times, so that those which are due at about the same time leave in one packet.
 */
function renewalAfter(start: Moment, ttl: number): Moment {
  const due = later(start, (ttl / 3) * (0.85 + Math.random() * 0.15));
  const grid = Math.min(50, ttl / 100);
  return later(due, -(due.monotonic % grid));
}
