/**
 * What keeps one lease alive: when it is extended next, and the extension in flight, of which there is
 * never more than one.
 */
import { later, type Moment, never } from '../base/clock.js';
import { warn } from '../base/events.js';
import { lockNamed } from '../base/names.js';
import { HandleWatch } from './forgotten.js';

export class Renewal {
  /** The life that extensions ask for, in milliseconds. */
  ttl: number;
  /** Why the last extension failed, if it did. */
  trouble: unknown;
  #isWanted: boolean;
  #dueAt: Moment;
  /** The extension in flight. */
  inFlight: Promise<void> | undefined;
  readonly #handle: HandleWatch;

  /**
   * @param life how long the lease certainly lives since `start`, in milliseconds.
   * @param isWanted false: only the caller extends the lease.
   * @param handle the caller's; once it is forgotten, nobody can release the lease any more.
   */
  constructor(
    { name, ttl }: { readonly name: string; readonly ttl: number },
    start: Moment,
    life: number,
    isWanted: boolean,
    handle: WeakKey,
  ) {
    this.ttl = ttl;
    this.#isWanted = isWanted;
    this.#dueAt = renewalAfter(start, life);
    this.#handle = new HandleWatch(handle, () => {
      this.#isWanted = false;
      const what = `The lease on ${lockNamed(name)} was forgotten, and is not renewed any more`;
      warn(what, 'DLOCK_LEASE_FORGOTTEN');
    });
  }

  get due(): Moment {
    return this.#isWanted && !this.inFlight ? this.#dueAt : never;
  }

  /** It becomes due: most leases end sooner, and their handles need no watch. */
  begin(): void {
    this.#handle.begin();
  }

  end(): void {
    this.#handle.end();
  }

  /** An extension leaves; while its outcome is unknown, it is repeated soon. */
  asked(start: Moment, ttl: number): void {
    this.ttl = ttl;
    this.#dueAt = later(start, ttl / 12);
  }

  /** The lease lives for `life` since `start`. */
  granted(start: Moment, life: number): void {
    this.trouble = undefined;
    this.#dueAt = renewalAfter(start, life);
  }

  /** Takes `extension` for the one in flight. */
  follow(extension: Promise<void>): Promise<void> {
    this.inFlight = extension.finally(() => {
      this.inFlight = undefined;
    });
    return this.inFlight;
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
