/** What this process knows of who holds a lock, without asking: most of all, of its own leases. */
import { clock, later, type Moment, now, until } from '../base/clock.js';
import { type Holder, holdersOf } from '../lease/holders.js';
import type { Lock } from '../lease/registry.js';

export class LastHolder {
  readonly #lock: Lock;
  readonly #onEnd: (holder?: Holder) => void;
  readonly #heir: () => string | undefined;
  /** Its release, until that is answered: true, it was ours. */
  release: Promise<boolean | undefined> | undefined;
  /** When the last lease of this process ended, by the monotonic clock. */
  end = -Infinity;
  /** When the lock comes free that it left to lapse. */
  #lapse: Moment | undefined;
  /** Until when somebody is known to have held the lock, or to hold it, by the monotonic clock. */
  #heldUntil = -Infinity;

  /**
   * @param onEnd is called when the lock may have come free: a lease of this process ended, or that is not
   * what the store says.
   * @param heir is asked before that for the token to which the lock is to go, if it stays in this line.
   */
  constructor(lock: Lock, onEnd: (holder?: Holder) => void, heir: () => string | undefined) {
    this.#lock = lock;
    this.#onEnd = onEnd;
    this.#heir = heir;
  }

  /**
   * For how many milliseconds nobody need ask who wants the lock with that limit: this very process stands in
   * the way, or left the lock to lapse.
   */
  staysFor(limit: number): number {
    this.follow();
    if (this.fills(limit)) return Infinity;
    const left = this.#lapse ? until(this.#lapse) : 0;
    if (left <= 0) this.#lapse = undefined;
    return Math.max(0, left);
  }

  /** Hears of the end of each lease of this process; false: there is none. */
  follow(): boolean {
    const holders = holdersOf(this.#lock);
    for (const holder of holders) {
      holder.onEnd = (release, after) => this.#ended(holder, release, after);
      // Those who hold the lock beside others leave it to whoever is next in the queue.
      if (holder.isAlone) holder.heir = this.#heir;
    }
    return holders.size > 0;
  }

  /** Whether this very process keeps out all who want the lock with that limit. */
  fills(limit: number): boolean {
    const holders = holdersOf(this.#lock);
    if (holders.size >= limit) return true;
    for (const { isAlone } of holders) if (isAlone) return true;
    return false;
  }

  /**
   * Whether it is known that others with that limit were kept out at `start` or later: the store said so, or
   * this very process kept them out. That the head rests says nothing: its rest may be overdue, in a process
   * that was stopped.
   */
  heldSince(start: Moment, limit: number): boolean {
    return this.#heldUntil >= start.monotonic || this.fills(limit);
  }

  /** The store says that somebody holds the lock. */
  seen(): void {
    this.#heldUntil = clock.monotonic();
  }

  #ended(holder: Holder, release?: Promise<boolean>, after = 0): void {
    this.end = clock.monotonic();
    if (holder.isAlone) {
      // A lease whose end nobody noticed in time has kept nobody out since its deadline.
      const held = Math.min(this.end, holder.deadline.monotonic);
      this.#heldUntil = Math.max(this.#heldUntil, held);
      this.end += after;
      if (after > 0) this.#lapse = later(now(), after);
    }
    if (release) this.#follow(release, holder.isAlone ? this.end : -Infinity);
    this.#onEnd(holder);
  }

  /** @param end until when the lock was kept from others, if the release is carried out. */
  #follow(release: Promise<boolean>, end: number): void {
    const answered = release.catch(() => undefined);
    this.release = answered;
    void answered.then((ours) => {
      if (this.release === answered) this.release = undefined;
      if (ours) {
        this.#heldUntil = Math.max(this.#heldUntil, end);
        return;
      }
      // Nothing is known of a lapse any more.
      this.#lapse = undefined;
      this.end = Math.min(this.end, clock.monotonic());
      this.#onEnd();
    });
  }
}
