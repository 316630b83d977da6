/**
 * A fleet of processes that want one lock, with the library's own core, on a clock that takes no time: so
 * many processes that no machine could run them. Each has a store of its own over one memory, as each would have a
 * connection; what travels over these is counted.
 */
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { type Clock, useClock } from '../../src/base/clock.js';
import type { Attempt, LockStore, News } from '../../src/store.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { type Happening, World } from '../simulation/world.js';

/** From a process to the store or back, in milliseconds. */
const way = 0.1;
const name = 'lock';

export interface Traffic {
  readonly requests: number;
  /** News that the store sends. */
  readonly messages: number;
}

export interface Turns extends Traffic {
  readonly sections: number;
}

/** Whether the store keeps a queue, or is polled. */
export type Kind = 'queue' | 'poll';

/** What one process has of the memory: a way there and back, which is counted. */
class CountedStore implements LockStore {
  readonly ttl: number;
  readonly timeout = 5_000;
  readonly ordered = true;
  readonly watch?: NonNullable<LockStore['watch']>;
  requests = 0;
  messages = 0;
  readonly #memory: MemoryStore;
  readonly #world: World;
  #token = '';

  constructor(memory: MemoryStore, world: World, kind: Kind, ttl: number) {
    this.#memory = memory;
    this.#world = world;
    this.ttl = ttl;
    if (kind === 'queue') this.watch = (lock, wake) => this.#watch(lock, wake);
  }

  async acquire(lock: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    this.#token = token;
    const answer = await this.#travel(() => this.#memory.acquire(lock, token, ttl, patience));
    // As Memcached, which does not know it.
    return this.watch || answer.granted ? answer : { granted: false };
  }

  extend(lock: string, token: string, ttl: number): Promise<boolean> {
    return this.#travel(() => this.#memory.extend(lock, token, ttl));
  }

  release(...request: Parameters<LockStore['release']>): Promise<boolean> {
    return this.#travel(() => this.#memory.release(...request));
  }

  async #travel<T>(carryOut: () => Promise<T>): Promise<T> {
    this.requests += 1;
    await this.#underWay();
    const answer = await carryOut();
    await this.#underWay();
    return answer;
  }

  /** News for another never comes here: a store has a channel for each. */
  #watch(lock: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    return this.#memory.watch(lock, (news) => {
      if (news?.token !== undefined && news.token !== this.#token) return;
      this.messages += 1;
      this.#world.in(way, () => wake(news));
    });
  }

  #underWay(): Promise<void> {
    return new Promise((resolve) => {
      this.#world.in(way, resolve);
    });
  }
}

/** Processes that loop over the lock: `work` milliseconds under it, and again, until each had its turns. */
export async function loop(processes: number, kind: Kind, work = 20): Promise<Turns> {
  const { world, stores } = fleet(processes, kind);
  const sections = Math.min(Math.max(200, 3 * processes), 3_000);
  // The first round, in which all come at once, costs otherwise.
  const uncounted = Math.min(processes, 1_000);
  let served = 0;
  let before: Traffic = { requests: 0, messages: 0 };
  const takeTurns = async (store: LockStore) => {
    while (served < sections + uncounted) {
      const lease = await acquire(store, name);
      served += 1;
      if (served === uncounted) before = trafficOf(stores);
      await new Promise<void>((resolve) => {
        world.in(work, resolve);
      });
      await lease.release();
    }
  };
  for (const store of stores) void takeTurns(store);
  while (served < sections + uncounted) await world.proceed();
  const { requests, messages } = trafficOf(stores);
  return {
    requests: requests - before.requests,
    messages: messages - before.messages,
    sections: served - uncounted,
  };
}

/** Processes that wait, while another holds the lock: what they cost in so many seconds, once they have come. */
export async function idle(processes: number, kind: Kind, seconds: number): Promise<Traffic> {
  const { world, stores } = fleet(processes, kind, 10_000_000);
  const [holder, ...others] = stores;
  void tryAcquire(holder as LockStore, name);
  await passTime(world, 1_000);
  for (const store of others) void acquire(store, name);
  await passTime(world, 300_000);
  const before = trafficOf(others);
  await passTime(world, seconds * 1_000);
  const { requests, messages } = trafficOf(others);
  return { requests: requests - before.requests, messages: messages - before.messages };
}

function fleet(
  processes: number,
  kind: Kind,
  ttl = 30_000,
): { world: World; stores: CountedStore[] } {
  const world = new World();
  const clock: Clock = {
    monotonic: () => world.now,
    wall: () => world.now,
    setTimer: (callback, ms) => world.in(ms, callback),
    setIdleTimer: (callback, ms) => world.in(ms, callback),
    clearTimer(timer) {
      if (timer) (timer as Happening).run = undefined;
    },
    refTimer() {},
    unrefTimer() {},
  };
  useClock(clock);
  const memory = new MemoryStore();
  const stores = Array.from(
    { length: processes },
    () => new CountedStore(memory, world, kind, ttl),
  );
  return { world, stores };
}

async function passTime(world: World, ms: number): Promise<void> {
  const end = world.now + ms;
  while (world.now < end) await world.proceed();
}

function trafficOf(stores: readonly CountedStore[]): Traffic {
  const sum = (of: (store: CountedStore) => number) =>
    stores.reduce((total, wire) => total + of(wire), 0);
  return { requests: sum((store) => store.requests), messages: sum((store) => store.messages) };
}
