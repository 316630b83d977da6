/** Which locks this very process holds: who waits for one of them here need not ask the store. */
import type { Moment } from '../base/clock.js';
import { type Lock, Registry } from './registry.js';

/** One lease of this process, as those see it who wait for its lock. */
export class Holder {
  readonly #lock: Lock;
  /** Whether nobody else can hold the lock meanwhile. */
  readonly isAlone: boolean;
  /** When the lease stops being valid, unless it ends before. */
  deadline: Moment;
  /**
   * Called when the lease ends: it was lost, or given back by a request that just left, to lapse in
   * `after` milliseconds.
   */
  onEnd: ((release?: Promise<boolean>, after?: number) => void) | undefined;

  /**
   * Asked when the lease is about to be given back: the token that will be asked with right behind, if the
   * lock is to stay in this process.
   */
  heir: (() => string | undefined) | undefined;

  constructor(lock: Lock, limit: number, deadline: Moment) {
    this.#lock = lock;
    this.isAlone = limit === 1;
    this.deadline = deadline;
  }

  /** Shows it to those who wait. */
  begin(): void {
    const ofLock = holders.get(this.#lock) ?? new Set();
    holders.set(this.#lock, ofLock.add(this));
  }

  end(release?: Promise<boolean>, after?: number): void {
    const ofLock = holders.get(this.#lock);
    if (ofLock?.delete(this) && ofLock.size === 0) holders.delete(this.#lock, ofLock);
    this.onEnd?.(release, after);
    this.onEnd = undefined;
    this.heir = undefined;
  }
}

const holders = new Registry<Set<Holder>>();
const none: ReadonlySet<Holder> = new Set();

/** The leases of this process on a lock: one, unless the lock is shared. */
export function holdersOf(lock: Lock): ReadonlySet<Holder> {
  return holders.get(lock) ?? none;
}
