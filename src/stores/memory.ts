/**
 * Locks in the memory of one process: the reference implementation of the contract.
 *
 * @module dlock-js/memory
 */
import { clock } from '../base/clock.js';
import type { Attempt, LockStore } from '../store.js';
import { readOptions, type StoreOptions } from './options.js';
import { checkRequest } from './requests.js';

/** The times of a {@link MemoryStore}. */
export interface MemoryStoreOptions extends StoreOptions {}

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
  readonly ordered = true;
  readonly #holders = new Map<string, Holder>();
  readonly #wakes = new Map<string, Set<() => void>>();
  #fence = 0;
  #sweepAt = 1_000;

  /** @throws TypeError or RangeError for invalid options. */
  constructor(options?: MemoryStoreOptions) {
    const { ttl, timeout } = readOptions('MemoryStore', options);
    this.ttl = ttl;
    this.timeout = timeout;
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    const now = clock.monotonic();
    const holder = this.#holder(name);
    if (holder?.token === token) return { granted: true, fence: holder.fence };
    if (holder) return { granted: false, retryAfter: holder.end - now };
    this.#sweep(now);
    this.#fence += 1;
    this.#holders.set(name, { token, fence: this.#fence, end: now + ttl });
    return { granted: true, fence: this.#fence };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    const holder = this.#holder(name);
    if (holder?.token !== token) return false;
    holder.end = clock.monotonic() + ttl;
    return true;
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    const ours = this.#holder(name)?.token === token && this.#holders.delete(name);
    if (ours) for (const wake of this.#wakes.get(name) ?? []) wake();
    return ours;
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    const wakes = this.#wakes.get(name) ?? new Set();
    this.#wakes.set(name, wakes.add(wake));
    const stop = async () => {
      if (wakes.delete(wake) && wakes.size === 0) this.#wakes.delete(name);
    };
    return { [Symbol.asyncDispose]: stop };
  }

  #holder(name: string): Holder | undefined {
    const holder = this.#holders.get(name);
    return holder && holder.end > clock.monotonic() ? holder : undefined;
  }

  /** Forgets those whose life has ended, whenever the number of names has doubled. */
  #sweep(now: number): void {
    if (this.#holders.size < this.#sweepAt) return;
    for (const [name, { end }] of this.#holders) if (end <= now) this.#holders.delete(name);
    this.#sweepAt = Math.max(1_000, this.#holders.size * 2);
  }
}
