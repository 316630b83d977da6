/** Locks in the memory of one process: the reference implementation of the contract. */
import type { Attempt, LockStore } from '../store.js';
import { readOptions, type StoreOptions } from './options.js';
import { Watchers } from './watchers.js';

export type MemoryStoreOptions = StoreOptions;

interface Holder {
  readonly token: string;
  readonly fence: number;
  /** By the monotonic clock, in milliseconds. */
  end: number;
}

/** Excludes within one process, among those that share the instance. For tests and single servers. */
export class MemoryStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly #holders = new Map<string, Holder>();
  readonly #watchers = new Watchers();
  #fence = 0;
  #sweepAt = 1_000;

  constructor(options: MemoryStoreOptions = {}) {
    ({ ttl: this.ttl, timeout: this.timeout } = readOptions(options));
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    const now = performance.now();
    const holder = this.#holder(name);
    if (holder?.token === token) return { granted: true, fence: holder.fence };
    if (holder) return { granted: false, retryAfter: holder.end - now };
    this.#sweep(now);
    this.#fence += 1;
    this.#holders.set(name, { token, fence: this.#fence, end: now + ttl });
    return { granted: true, fence: this.#fence };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    const holder = this.#holder(name);
    if (holder?.token !== token) return false;
    holder.end = performance.now() + ttl;
    return true;
  }

  async release(name: string, token: string): Promise<boolean> {
    const ours = this.#holder(name)?.token === token && this.#holders.delete(name);
    if (ours) this.#watchers.wake(name);
    return ours;
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    const remove = this.#watchers.add(name, wake);
    return { [Symbol.asyncDispose]: async () => remove() };
  }

  #holder(name: string): Holder | undefined {
    const holder = this.#holders.get(name);
    return holder && holder.end > performance.now() ? holder : undefined;
  }

  /** Forgets those whose life has ended, whenever the number of names has doubled. */
  #sweep(now: number): void {
    if (this.#holders.size < this.#sweepAt) return;
    for (const [name, { end }] of this.#holders) if (end <= now) this.#holders.delete(name);
    this.#sweepAt = Math.max(1_000, this.#holders.size * 2);
  }
}
