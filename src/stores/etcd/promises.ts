/** The promises that this store has seen: one that nobody has taken up for a while keeps nobody out. */
import { clock } from '../../base/clock.js';
import { promiseLife } from '../places.js';
import type { Pair } from './answers.js';

/** How many are remembered: those of locks that nobody asks for any more are never seen to end. */
const most = 1_000;

export class Promises {
  /** By the key of the lock: the revision of the promise, and since when it is known. */
  readonly #seen = new Map<string, { readonly revision: number; readonly since: number }>();

  /** For how many milliseconds more it keeps others out. */
  left({ key, modRevision }: Pick<Pair, 'key' | 'modRevision'>): number {
    const known = this.#seen.get(key);
    const now = clock.monotonic();
    if (known?.revision === modRevision) return Math.max(0, known.since + promiseLife - now);
    this.#seen.delete(key);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size >= most && oldest !== undefined) this.#seen.delete(oldest);
    this.#seen.set(key, { revision: modRevision, since: now });
    return promiseLife;
  }
}
