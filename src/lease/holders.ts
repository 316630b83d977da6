/** Which locks this very process holds: who waits for one of them here need not ask the store. */
import { type Lock, Registry } from './registry.js';

/** One lease of this process, as those see it who wait for its lock. */
export class Holder {
  readonly #lock: Lock;
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

  constructor(lock: Lock) {
    this.#lock = lock;
    holders.set(lock, this);
  }

  end(release?: Promise<boolean>, after?: number): void {
    holders.delete(this.#lock, this);
    this.onEnd?.(release, after);
    this.onEnd = undefined;
    this.heir = undefined;
  }
}

const holders = new Registry<Holder>();

export function holderOf(lock: Lock): Holder | undefined {
  return holders.get(lock);
}
