/** A server: it never fails by itself, but can be frozen, robbed and restarted. */
import type { Attempt, News } from '../../src/store.js';
import { SimulatedQueue } from './queue.js';
import type { World } from './world.js';

export interface Request {
  readonly operation: 'acquire' | 'extend' | 'release';
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
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
  /** Whether it mints fences. */
  readonly fences: boolean;
  /** Whether a refusal says how long the holder still lives. */
  readonly knowsLife: boolean;
  /** The step of lives, in milliseconds: they are rounded up. */
  readonly step: number;
}

/** What a server still knows after a restart. */
export type Memory = 'kept' | 'empty';

interface Key {
  readonly token: string;
  readonly fence: number;
  end: number;
  /** It is but promised to the token, until that asks. */
  readonly isPromise?: boolean;
  /** It is promised to a token of the process that released it. */
  readonly isHeirs?: boolean;
}

/** For how long a lock is promised to the next, in milliseconds. */
const promiseLife = 1_000;

/** The lock that all simulated processes take. */
export const lock = 'lock';

/** The token of who comes and takes what is not his. */
export const stranger = 'stranger';

export class SimulatedServer {
  readonly keys = new Map<string, Key>();
  /** What was carried out, in order; `at` is true time. */
  readonly log: (Request & { readonly at: number; readonly answer: Attempt | boolean })[] = [];
  /** Tokens whose key was taken away behind their backs: nothing is promised to them. */
  readonly robbed = new Set<string>();
  readonly watchers = new Map<() => void, string>();
  readonly name: string;
  /** Of those who wait with patience, for each lock. */
  readonly #queues = new Map<string, SimulatedQueue>();
  /** The tokens that took the lock once it was promised to them, in order. */
  readonly turns: string[] = [];
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

  holder(name: string): Key | undefined {
    const key = this.keys.get(name);
    return key && key.end > this.#world.now ? key : undefined;
  }

  queueOf(name: string): SimulatedQueue {
    const queue = this.#queues.get(name) ?? new SimulatedQueue();
    this.#queues.set(name, queue);
    return queue;
  }

  /** The last request with a token that it did not refuse. */
  lastSuccess(token: string): (typeof this.log)[number] | undefined {
    return this.log.findLast(
      ({ answer, ...request }) =>
        request.token === token && (answer === true || (answer !== false && answer.granted)),
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
      this.keys.clear();
      this.#queues.clear();
    });
  }

  /** Its memory is short, or somebody deletes the key; and may take the lock, for `ttl`. */
  rob(name: string, ttl: number): boolean {
    const holder = this.holder(name);
    if (!holder) return false;
    this.robbed.add(holder.token);
    this.keys.delete(name);
    this.#queues.delete(name);
    this.#lastFence += 1;
    const end = this.#world.now + ttl;
    if (ttl > 0) this.keys.set(name, { token: stranger, fence: this.#lastFence, end });
    return true;
  }

  #execute(request: Request): Attempt | boolean {
    const { operation, name, token, ttl } = request;
    const life = Math.ceil(ttl / this.traits.step) * this.traits.step;
    const key = this.holder(name);
    if (operation === 'acquire') return this.#acquire(request, life);
    if (operation === 'release') this.queueOf(name).leave(token);
    if (key?.token !== token) return false;
    if (operation === 'release') {
      this.keys.delete(name);
      if (request.heir && this.traits.queues) this.#promise(name, request.heir, true);
      else this.#handOn(name);
    } else if (!key.isPromise) {
      key.end = this.#world.now + life;
    }
    return !key.isPromise;
  }

  #acquire({ name, token, patience, call }: Request, life: number): Attempt {
    const { fences, knowsLife, queues } = this.traits;
    const { now } = this.#world;
    const key = this.holder(name);
    if (key && key.token !== token) {
      const refused = { granted: false as const, ...(knowsLife && { retryAfter: key.end - now }) };
      if (!queues || !patience || !call) return refused;
      const { ahead, keptFor } = this.queueOf(name).stand({ token, call }, patience, now);
      return ahead === 0
        ? { ...refused, placeFor: keptFor }
        : { granted: false, placeFor: keptFor };
    }
    const held = key && !key.isPromise ? key : undefined;
    const fence = held?.fence ?? ++this.#lastFence;
    if (!held) this.keys.set(name, { token, fence, end: now + life });
    if (name === lock && !held && !key?.isHeirs) {
      this.turnSince = now;
      if (key) this.turns.push(token);
    }
    this.queueOf(name).leave(token);
    return { granted: true, ...(fences && { fence }) };
  }

  /** The lock came free: it is promised to the next who can be reached, or all who watch are woken. */
  #handOn(name: string): void {
    const next = this.queueOf(name).call(this.#world.now);
    if (next) {
      this.#promise(name, next, false);
      return;
    }
    for (const [wake, watched] of [...this.watchers]) if (watched === name) wake();
  }

  #promise(name: string, token: string, isHeirs: boolean): void {
    const end = this.#world.now + promiseLife;
    this.queueOf(name).leave(token);
    this.keys.set(name, { token, fence: 0, end, isPromise: true, isHeirs });
    this.#world.tell(isHeirs ? 'passed on' : 'promised', this.name, () => token.slice(0, 4));
  }
}
