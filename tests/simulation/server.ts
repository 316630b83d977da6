/** A server: it never fails by itself, but can be frozen, robbed and restarted. */
import type { Attempt, News } from '../../src/store.js';
import { type Holder, SimulatedHolders } from './holders.js';
import { SimulatedQueue } from './queue.js';
import type { World } from './world.js';

export interface Request {
  readonly operation: 'acquire' | 'extend' | 'release';
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
  /** Of an acquire: how many may hold the lock at once. Default: 1. */
  readonly limit?: number | undefined;
  /** Whoever asks waits, can be woken by `call`, and asks again within this time. */
  readonly patience?: number | undefined;
  /** Brings news to the process that waits; false where the server can tell that nobody receives it. */
  readonly call?: (news: News) => boolean;
  /** Of a release: the token that asks right behind. */
  readonly heir?: string | undefined;
}

export interface ServerTraits {
  /** Whether it keeps a queue of those who wait with patience. */
  readonly queues: boolean;
  /** Whether several may hold a lock at once. */
  readonly shares: boolean;
  /** Whether it mints fences. */
  readonly fences: boolean;
  /** Whether a refusal says how long the holder still lives. */
  readonly knowsLife: boolean;
  /** The step of lives, in milliseconds: they are rounded up. */
  readonly step: number;
}

/** Whose turn it was, and how many it let hold the lock at once. */
export interface Turn {
  readonly token: string;
  readonly limit: number;
}

/** What a server still knows after a restart. */
export type Memory = 'kept' | 'empty';

/** For how long a lock is promised to the next, in milliseconds. */
const promiseLife = 1_000;

/** The lock that all simulated processes take. */
export const lock = 'lock';

/** The locks that they take several of, and lead on. */
export const others = ['a', 'b', 'c'] as const;

/** The token of who comes and takes the lock of another. */
export const stranger = 'stranger';

export class SimulatedServer {
  /** What was carried out, in order; `at` is true time. */
  readonly log: (Request & { readonly at: number; readonly answer: Attempt | boolean })[] = [];
  /** Of each lock. */
  readonly holders = new Map<string, SimulatedHolders>();
  /** Tokens whose key was taken away behind their backs: nothing is promised to them. */
  readonly robbed = new Set<string>();
  readonly watchers = new Map<() => void, string>();
  readonly name: string;
  /** Of those who wait with patience, for each lock. */
  readonly #queues = new Map<string, SimulatedQueue>();
  /** Of those that took the lock once it was promised to them, in order. */
  readonly turns: Turn[] = [];
  /** When the lock last came to a process that had not passed it on to itself. */
  turnSince = 0;
  readonly #world: World;
  readonly traits: ServerTraits;
  #lastFence = 0;
  #frozenUntil = 0;
  #downUntil = -Infinity;
  #starts = 0;
  /** It has lost all that it knew, once at least. */
  restartedEmpty = false;

  constructor(name: string, world: World, traits: ServerTraits) {
    this.name = name;
    this.#world = world;
    this.traits = traits;
  }

  get isDown(): boolean {
    return this.#world.now < this.#downUntil;
  }

  /** What a token has of a lock, which may be but a promise. */
  holder(name: string, token: string): Holder | undefined {
    return this.holders.get(name)?.find(token, this.#world.now);
  }

  holdersOf(name: string): SimulatedHolders {
    const holders = this.holders.get(name) ?? new SimulatedHolders();
    this.holders.set(name, holders);
    return holders;
  }

  queueOf(name: string): SimulatedQueue {
    const queue = this.#queues.get(name) ?? new SimulatedQueue();
    this.#queues.set(name, queue);
    return queue;
  }

  /** The last request with a token that it did not refuse; of one operation, or of any. */
  lastSuccess(
    token: string,
    operation?: Request['operation'],
  ): (typeof this.log)[number] | undefined {
    return this.log.findLast(
      ({ answer, ...request }) =>
        request.token === token &&
        (!operation || request.operation === operation) &&
        (answer === true || (answer !== false && answer.granted)),
    );
  }

  /** The last grant of a lock. */
  lastGrant(name: string): (typeof this.log)[number] | undefined {
    return this.log.findLast(
      ({ answer, ...request }) =>
        request.name === name && typeof answer === 'object' && answer.granted,
    );
  }

  /** Takes requests in the order of their arrival, each in one step. */
  receive(request: Request, answer: (answer: Attempt | boolean) => void): void {
    const starts = this.#starts;
    const execute = () => {
      if (starts !== this.#starts) return;
      const result = this.#execute(request);
      this.log.push({ ...request, at: this.#world.now, answer: result });
      answer(result);
    };
    if (this.#world.now < this.#frozenUntil) this.#world.at(this.#frozenUntil, execute);
    else execute();
  }

  /** It is stopped, while lives go on ending. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#world.now + ms);
  }

  /** It is down for `ms`; what it has not answered by then it never will. */
  restart(ms: number, memory: Memory): void {
    this.#starts += 1;
    this.#frozenUntil = 0;
    this.#downUntil = Math.max(this.#downUntil, this.#world.now + ms);
    if (memory === 'kept') return;
    this.restartedEmpty = true;
    this.#world.at(this.#downUntil, () => {
      this.holders.clear();
      this.#queues.clear();
    });
  }

  /** Its memory is short, or somebody deletes the key; and may take the lock, for `ttl`. */
  rob(name: string, ttl: number): boolean {
    const { now } = this.#world;
    const robbed = this.holdersOf(name).living(now);
    if (robbed.length === 0) return false;
    for (const { token } of robbed) this.robbed.add(token);
    this.holders.delete(name);
    this.#queues.delete(name);
    if (ttl > 0) this.#give(name, { token: stranger, limit: 1, end: now + ttl });
    return true;
  }

  #execute(request: Request): Attempt | boolean {
    const { operation, name, token, ttl } = request;
    const life = Math.ceil(ttl / this.traits.step) * this.traits.step;
    if (operation === 'acquire') return this.#acquire(request, life);
    if (operation === 'release') return this.#release(request);
    const holder = this.holder(name, token);
    if (!holder || holder.isPromise) return false;
    holder.end = this.#world.now + life;
    return true;
  }

  #acquire(request: Request, life: number): Attempt {
    const { name, token, limit = 1 } = request;
    const { now } = this.#world;
    const holders = this.holdersOf(name);
    const queue = this.queueOf(name);
    const own = holders.find(token, now);
    if (own && !own.isPromise) return this.#granted(own);
    const { token: first = token } = queue.first(now) ?? {};
    const isFree = holders.living(now).length === 0;
    const isNext = isFree || own !== undefined || limit === 1 || first === token;
    if (!isNext || !holders.admit(token, limit, now)) return this.#refuse(request);
    queue.leave(token);
    const holder = this.#give(name, { token, limit, end: now + life });
    if (name === lock && !own?.isHeirs) {
      this.turnSince = now;
      if (own) this.turns.push({ token, limit });
    }
    if (holders.living(now).length > 1) this.#world.tell('held beside others', this.name);
    if (limit > 1) this.#callNext(name);
    return this.#granted(holder);
  }

  #granted({ fence }: Holder): Attempt {
    return { granted: true, ...(this.traits.fences && { fence }) };
  }

  #refuse({ name, token, limit = 1, patience, call }: Request): Attempt {
    const { knowsLife, queues } = this.traits;
    const { now } = this.#world;
    const holders = this.holdersOf(name);
    const queue = this.queueOf(name);
    const promise = holders.find(token, now);
    if (promise) {
      // Others came in before it, whose limit is larger.
      this.#world.tell('promise in vain', this.name);
      if (call) queue.standFirst({ token, call, limit, kept: promise.end });
    }
    holders.all.delete(token);
    const retryAfter = knowsLife ? holders.lifeFor(limit, now) : undefined;
    const refused = { granted: false as const, ...(retryAfter !== undefined && { retryAfter }) };
    if (!queues || !patience || !call) return refused;
    const { ahead, keptFor } = queue.stand({ token, call, limit }, patience, now);
    return ahead === 0 ? { ...refused, placeFor: keptFor } : { granted: false, placeFor: keptFor };
  }

  #release({ name, token, heir }: Request): boolean {
    const holder = this.holder(name, token);
    this.queueOf(name).leave(token);
    this.holdersOf(name).all.delete(token);
    if (holder && heir && this.traits.queues) this.#promise(name, heir, 1, true);
    else if (!this.#callNext(name) && holder) this.#wakeAll(name);
    return holder !== undefined && !holder.isPromise;
  }

  #give(name: string, holder: Omit<Holder, 'fence'>): Holder {
    const given = { ...holder, fence: ++this.#lastFence };
    this.holdersOf(name).add(given, this.#world.now);
    return given;
  }

  /**
   * Promises the lock to the next who can be reached, if it may hold the lock now; false: nobody waits who
   * could be called.
   */
  #callNext(name: string): boolean {
    const { now } = this.#world;
    const queue = this.queueOf(name);
    for (let next = queue.first(now); next; next = queue.first(now)) {
      const { token, limit, call } = next;
      if (!this.holdersOf(name).admit(token, limit, now)) return true;
      queue.leave(token);
      if (!call({})) continue;
      queue.alarm();
      this.#promise(name, token, limit, false);
      return true;
    }
    return false;
  }

  #wakeAll(name: string): void {
    for (const [wake, watched] of [...this.watchers]) if (watched === name) wake();
  }

  #promise(name: string, token: string, limit: number, isHeirs: boolean): void {
    const { now } = this.#world;
    this.queueOf(name).leave(token);
    const promise = { token, fence: 0, limit, end: now + promiseLife, isPromise: true, isHeirs };
    this.holdersOf(name).add(promise, now);
    this.#world.tell(isHeirs ? 'passed on' : 'promised', this.name, () => token.slice(0, 4));
  }
}
