/** A server: it never fails by itself, but can be frozen, robbed and restarted. */
import type { Attempt } from '../../src/store.js';
import type { World } from './world.js';

export interface Request {
  readonly operation: 'acquire' | 'extend' | 'release';
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
}

export interface ServerTraits {
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
}

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
    this.#world.at(this.#downUntil, () => this.keys.clear());
  }

  /** Its memory is short, or somebody deletes the key; and may take the lock, for `ttl`. */
  rob(name: string, ttl: number): boolean {
    const holder = this.holder(name);
    if (!holder) return false;
    this.robbed.add(holder.token);
    this.keys.delete(name);
    this.#lastFence += 1;
    const end = this.#world.now + ttl;
    if (ttl > 0) this.keys.set(name, { token: stranger, fence: this.#lastFence, end });
    return true;
  }

  #execute({ operation, name, token, ttl }: Request): Attempt | boolean {
    const { fences, knowsLife, step } = this.traits;
    const life = Math.ceil(ttl / step) * step;
    const key = this.holder(name);
    const ours = key?.token === token;
    if (operation === 'acquire') {
      if (key && !ours) {
        return { granted: false, ...(knowsLife && { retryAfter: key.end - this.#world.now }) };
      }
      const fence = key?.fence ?? ++this.#lastFence;
      if (!key) this.keys.set(name, { token, fence, end: this.#world.now + life });
      return { granted: true, ...(fences && { fence }) };
    }
    if (!key || !ours) return false;
    if (operation === 'extend') {
      key.end = this.#world.now + life;
      return true;
    }
    this.keys.delete(name);
    for (const [wake, watched] of [...this.watchers]) if (watched === name) wake();
    return true;
  }
}
