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
  /** Undefined while the lock is but promised to the token, until it asks. */
  readonly fence: number | undefined;
  readonly isAlone: boolean;
  /** By the monotonic clock, in milliseconds. */
  end: number;
}

/** A place in the queue: until when it is kept, and how many may hold the lock at once. */
interface Place {
  readonly end: number;
  readonly limit: number;
}

/** Locks shared by all callers in one process that use the same instance. For tests and single servers. */
export class MemoryStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly ordered = true;
  /** By name, and there by token. */
  readonly #holders = new Map<string, Map<string, Holder>>();
  /** By name, and there by token, in the order in which they came. */
  readonly #queues = new Map<string, Map<string, Place>>();
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
    return this.#acquire(name, token, ttl, 1, patience);
  }

  async acquireShared(
    name: string,
    token: string,
    ttl: number,
    limit: number,
    patience?: number,
  ): Promise<Attempt> {
    return this.#acquire(name, token, ttl, limit, patience);
  }

  #acquire(name: string, token: string, ttl: number, limit: number, patience?: number): Attempt {
    checkRequest('acquire', token, ttl);
    const holders = this.#living(name);
    const own = holders.get(token);
    if (own?.fence !== undefined) return { granted: true, fence: own.fence };
    // A lock that is neither held nor promised waits for nobody: those in the queue may be dead.
    const isFree = holders.size === 0;
    const isNext = isFree || own !== undefined || limit === 1 || this.#isNext(name, token);
    if (!isNext || !fits(holders, token, limit)) {
      if (own) this.#standFirst(name, token, { end: own.end, limit });
      return this.#refuse(name, token, lifeOf(holders, limit), limit, patience);
    }
    this.#leave(name, token);
    this.#sweep();
    this.#fence += 1;
    const isAlone = limit === 1;
    holders.set(token, { fence: this.#fence, isAlone, end: clock.monotonic() + ttl });
    this.#holders.set(name, holders);
    if (!isAlone) this.#callNext(name);
    return { granted: true, fence: this.#fence };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    const holder = this.#living(name).get(token);
    if (holder?.fence === undefined) return false;
    holder.end = clock.monotonic() + ttl;
    return true;
  }

  async release(name: string, token: string, heir?: string): Promise<boolean> {
    checkRequest('release', token, 0);
    this.#leave(name, token);
    const holders = this.#living(name);
    const holder = holders.get(token);
    holders.delete(token);
    if (holder && heir !== undefined) this.#promise(name, heir, 1);
    else if (!this.#callNext(name) && holder) this.#wake(name);
    return holder?.fence !== undefined;
  }

  async watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    const wakes = this.#wakes.get(name) ?? new Set();
    this.#wakes.set(name, wakes.add(wake));
    const stop = async () => {
      if (wakes.delete(wake) && wakes.size === 0) this.#wakes.delete(name);
    };
    return { [Symbol.asyncDispose]: stop };
  }

  /** The holders whose life has not ended. */
  #living(name: string): Map<string, Holder> {
    const holders = this.#holders.get(name) ?? new Map<string, Holder>();
    for (const [token, { end }] of holders) if (end <= clock.monotonic()) holders.delete(token);
    return holders;
  }

  /** Whether nobody stands before a token in the queue. */
  #isNext(name: string, token: string): boolean {
    const [first = token] = this.#queue(name)?.keys() ?? [];
    return first === token;
  }

  /** It was promised the lock, but others came in before it, whose limit is larger. */
  #standFirst(name: string, token: string, place: Place): void {
    this.#living(name).delete(token);
    this.#queues.set(name, new Map([[token, place], ...(this.#queue(name) ?? [])]));
  }

  #refuse(
    name: string,
    token: string,
    life: number | undefined,
    limit: number,
    patience?: number,
  ): Attempt {
    if (patience === undefined) return { granted: false, retryAfter: life };
    const queue = this.#queue(name) ?? new Map<string, Place>();
    // A place that there is already stays where it is.
    this.#queues.set(name, queue.set(token, { end: 0, limit }));
    const ahead = [...queue.keys()].indexOf(token);
    const placeFor = keptFor(patience, ahead);
    queue.set(token, { end: clock.monotonic() + placeFor, limit });
    return { granted: false, placeFor, ...(ahead === 0 && { retryAfter: life }) };
  }

  /**
   * Promises the lock to the next, if it may hold it now, and lets those behind look after it.
   *
   * @returns false: there is no queue.
   */
  #callNext(name: string): boolean {
    const [next, ...behind] = this.#queue(name) ?? [];
    if (!next) return false;
    const [token, { limit }] = next;
    if (!fits(this.#living(name), token, limit)) return true;
    this.#promise(name, token, limit);
    this.#wake(name, { token });
    for (const [rank, after] of alarms.entries()) {
      const later = behind[rank];
      if (later) this.#wake(name, { token: later[0], after });
    }
    return true;
  }

  #promise(name: string, token: string, limit: number): void {
    this.#leave(name, token);
    const end = clock.monotonic() + promiseLife;
    const holders = this.#living(name);
    this.#holders.set(name, holders.set(token, { fence: undefined, isAlone: limit === 1, end }));
  }

  #wake(name: string, news?: News): void {
    for (const wake of this.#wakes.get(name) ?? []) wake(news);
  }

  /** The queue, if there is one, without those at its head whose place is not kept any more. */
  #queue(name: string): Map<string, Place> | undefined {
    for (const [token, { end }] of this.#queues.get(name) ?? []) {
      if (end > clock.monotonic()) break;
      this.#leave(name, token);
    }
    return this.#queues.get(name);
  }

  #leave(name: string, token: string): void {
    const queue = this.#queues.get(name);
    if (queue?.delete(token) && queue.size === 0) this.#queues.delete(name);
  }

  /** Forgets the locks that nobody holds any more, whenever the number of names has doubled. */
  #sweep(): void {
    if (this.#holders.size < this.#sweepAt) return;
    for (const name of this.#holders.keys()) {
      if (this.#living(name).size === 0) this.#holders.delete(name);
    }
    this.#sweepAt = Math.max(1_000, this.#holders.size * 2);
  }
}

/** Whether a token may hold the lock beside those who hold it. */
function fits(holders: ReadonlyMap<string, Holder>, token: string, limit: number): boolean {
  let others = 0;
  for (const [other, { isAlone }] of holders) {
    if (other === token) continue;
    if (isAlone) return false;
    others += 1;
  }
  return others < limit;
}

/** How long until somebody else may hold the lock, in milliseconds: all of them gone, or the first. */
function lifeOf(holders: ReadonlyMap<string, Holder>, limit: number): number | undefined {
  if (holders.size === 0) return undefined;
  const ends = [...holders.values()].map(({ end }) => end);
  return (limit === 1 ? Math.max(...ends) : Math.min(...ends)) - clock.monotonic();
}
