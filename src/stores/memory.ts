/**
 * Locks in the memory of one process: the reference implementation of the contract.
 *
 * @module dlock-js/memory
 */
import { clock } from '../base/clock.js';
import type { Attempt, LockStore, News } from '../store.js';
import { readOptions, type StoreOptions } from './options.js';
import { alarms, keptFor, promiseLife } from './places.js';
import { checkRequest } from './requests.js';

/** The times of a {@link MemoryStore}. */
export interface MemoryStoreOptions extends StoreOptions {}

interface Holder {
  readonly token: string;
  /** Undefined while the lock is but promised to the token, until it asks. */
  readonly fence: number | undefined;
  /** By the monotonic clock, in milliseconds. */
  end: number;
}

/** Excludes within one process, among those that share the instance. For tests and single servers. */
export class MemoryStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly ordered = true;
  readonly #holders = new Map<string, Holder>();
  /** By name, and there by token, in the order in which they came: until when a place is kept. */
  readonly #queues = new Map<string, Map<string, number>>();
  readonly #wakes = new Map<string, Set<(news?: News) => void>>();
  #fence = 0;
  #sweepAt = 1_000;

  /** @throws TypeError or RangeError for invalid options. */
  constructor(options?: MemoryStoreOptions) {
    const { ttl, timeout } = readOptions('MemoryStore', options);
    this.ttl = ttl;
    this.timeout = timeout;
  }

  async acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    const now = clock.monotonic();
    const holder = this.#holder(name);
    const isOurs = holder?.token === token;
    if (holder && !isOurs) return this.#refuse(name, token, holder.end - now, patience);
    if (holder?.fence !== undefined) return { granted: true, fence: holder.fence };
    this.#leave(name, token);
    this.#sweep(now);
    this.#fence += 1;
    this.#holders.set(name, { token, fence: this.#fence, end: now + ttl });
    return { granted: true, fence: this.#fence };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    const holder = this.#holder(name);
    if (holder?.token !== token || holder.fence === undefined) return false;
    holder.end = clock.monotonic() + ttl;
    return true;
  }

  async release(name: string, token: string, heir?: string): Promise<boolean> {
    checkRequest('release', token, 0);
    this.#leave(name, token);
    const holder = this.#holder(name);
    if (holder?.token !== token) return false;
    this.#holders.delete(name);
    if (heir !== undefined) this.#promise(name, heir);
    else this.#handOn(name);
    return holder.fence !== undefined;
  }

  async watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
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

  #refuse(name: string, token: string, life: number, patience?: number): Attempt {
    if (patience === undefined) return { granted: false, retryAfter: life };
    const queue = this.#queue(name) ?? new Map<string, number>();
    // A place that there is already stays where it is.
    this.#queues.set(name, queue.set(token, 0));
    const ahead = [...queue.keys()].indexOf(token);
    const placeFor = keptFor(patience, ahead);
    queue.set(token, clock.monotonic() + placeFor);
    return { granted: false, placeFor, ...(ahead === 0 && { retryAfter: life }) };
  }

  /** Promises the lock to the next, and lets those behind look after it; or wakes all, if there is no queue. */
  #handOn(name: string): void {
    const [next, ...behind] = this.#queue(name)?.keys() ?? [];
    if (next === undefined) {
      this.#wake(name);
      return;
    }
    this.#promise(name, next);
    this.#wake(name, { token: next });
    for (const [rank, after] of alarms.entries()) {
      if (behind[rank] !== undefined) this.#wake(name, { token: behind[rank], after });
    }
  }

  #promise(name: string, token: string): void {
    this.#leave(name, token);
    const end = clock.monotonic() + promiseLife;
    this.#holders.set(name, { token, fence: undefined, end });
  }

  #wake(name: string, news?: News): void {
    for (const wake of this.#wakes.get(name) ?? []) wake(news);
  }

  /** The queue, if there is one, without those at its head whose place is not kept any more. */
  #queue(name: string): Map<string, number> | undefined {
    for (const [token, end] of this.#queues.get(name) ?? []) {
      if (end > clock.monotonic()) break;
      this.#leave(name, token);
    }
    return this.#queues.get(name);
  }

  #leave(name: string, token: string): void {
    const queue = this.#queues.get(name);
    if (queue?.delete(token) && queue.size === 0) this.#queues.delete(name);
  }

  /** Forgets those whose life has ended, whenever the number of names has doubled. */
  #sweep(now: number): void {
    if (this.#holders.size < this.#sweepAt) return;
    for (const [name, { end }] of this.#holders) if (end <= now) this.#holders.delete(name);
    this.#sweepAt = Math.max(1_000, this.#holders.size * 2);
  }
}
