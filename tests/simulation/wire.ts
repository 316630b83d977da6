/**
 * A process' connection to the store: a `LockStore` whose every message has a fate. What it may do to
 * a message is all that the core has to be ready for:
 *
 * - an answer comes after the request was carried out, once or (the client sent it again) twice;
 * - a request that failed may have been carried out, or reach the store within `timeout`, or never;
 * - one that has neither been answered nor failed may reach the store at any time.
 *
 * The second rule holds whatever delays a request, older ones on an ordered connection too: a client
 * that has failed a request does not hold its connection's queue for longer than that. Without a
 * bound, no core could ever be sure that an acquire which failed is not still to come.
 */
import type { Attempt, LockStore, News } from '../../src/store.js';
import type { Judge } from './invariants.js';
import type { SimulatedProcess } from './process.js';
import type { Request, SimulatedServer } from './server.js';
import type { World } from './world.js';

/** Times in milliseconds. */
export type Fate =
  | { readonly kind: 'delivered'; readonly there: number; readonly back: number }
  | {
      readonly kind: 'sent again';
      readonly there: number;
      readonly again: number;
      readonly back: number;
    }
  | { readonly kind: 'request lost'; readonly fails: number }
  | { readonly kind: 'reply lost'; readonly there: number; readonly fails: number }
  /** Fails, and reaches the store after a share (0 to 1) of the time that is left to it. */
  | { readonly kind: 'late'; readonly fails: number; readonly share: number };

/** How much of `timeout` is left to a request that failed: a process' clock may run a little fast. */
const grace = 0.99;

const prompt: Fate = { kind: 'delivered', there: 1, back: 1 };

export interface WireTraits {
  readonly timeout: number;
  /** One connection keeps its messages in order; the connections of a pool do not. */
  readonly ordered: boolean;
  /** Whether the store wakes those who wait. */
  readonly wakes: boolean;
}

/** A request, or the opening of a watch, on its way. */
interface Message {
  /** Counts what this wire has sent. */
  readonly number: number;
  readonly about: () => string;
  readonly reject: (error: Error) => void;
  settled: boolean;
  /** What has not reached the store after this time never will. */
  lostAfter: number;
}

export class Wire implements LockStore {
  readonly timeout: number;
  /** A store that wakes says so, like Redis: even of a pool, whose requests overtake each other. */
  readonly ordered: boolean;
  readonly acquireShared?: NonNullable<LockStore['acquireShared']>;
  readonly watch?: (name: string, wake: (news?: News) => void) => Promise<AsyncDisposable>;
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #server: SimulatedServer;
  readonly #judge: Judge;
  readonly #ordered: boolean;
  readonly #fates: Iterator<Fate>;
  readonly #pending = new Set<Message>();
  /** By what the store calls when a lock comes free. */
  readonly #wakes = new Map<() => void, (news?: News) => void>();
  #lastArrival = 0;
  #lastReply = 0;
  #healed = false;
  /** The number of the last message that was sent, and the highest one that reached the store. */
  #sent = 0;
  #reached = 0;

  constructor(
    world: World,
    process: SimulatedProcess,
    server: SimulatedServer,
    fates: Iterator<Fate>,
    judge: Judge,
    { timeout, ordered, wakes }: WireTraits,
  ) {
    this.#world = world;
    this.#process = process;
    this.#server = server;
    this.#judge = judge;
    this.#fates = fates;
    this.#ordered = ordered;
    this.timeout = timeout;
    this.ordered = wakes || ordered;
    if (server.traits.shares) {
      this.acquireShared = (name, token, ttl, limit, patience) =>
        this.#acquire({ name, token, ttl, limit, patience });
    }
    if (wakes) this.watch = (name, wake) => this.#watch(name, wake);
  }

  acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    return this.#acquire({ name, token, ttl, patience });
  }

  extend(name: string, token: string, ttl: number): Promise<boolean> {
    return this.#send({ operation: 'extend', name, token, ttl });
  }

  release(name: string, token: string, heir?: string): Promise<boolean> {
    return this.#send({ operation: 'release', name, token, ttl: 0, heir });
  }

  get idle(): boolean {
    return this.#pending.size === 0;
  }

  /** From now on every message is delivered at once. */
  heal(): void {
    this.#healed = true;
  }

  /**
   * The connection breaks: what is under way fails, and reaches the store within a `share` of the time
   * that is left to it, or never.
   */
  cut(share: number): void {
    for (const message of [...this.#pending]) {
      this.#limit(message, share);
      this.#fail(message, 'the connection was cut');
    }
    // The subscriber has missed what happened meanwhile, and wakes everybody once it is back.
    for (const wake of this.#wakes.values()) {
      this.#world.in(20, () => this.#process.do('replies', () => wake()));
    }
  }

  /** What is under way reaches the store within the time that is left to a request that failed, or never. */
  hurry(): void {
    for (const message of this.#pending) this.#limit(message);
  }

  /** The process has died: what it sent is still on its way, but nobody waits for it. */
  abandon(): void {
    for (const watcher of this.#wakes.keys()) this.#server.watchers.delete(watcher);
    this.#wakes.clear();
    this.#pending.clear();
  }

  #acquire(request: Omit<Request, 'operation' | 'call'>): Promise<Attempt> {
    const call = (news: News) => this.#call(request.name, news);
    if (request.patience !== undefined) this.#judge.patient(this.#process, this.#wakes.size > 0);
    return this.#send({ operation: 'acquire', ...request, call });
  }

  #send<T extends Attempt | boolean>(request: Request): Promise<T> {
    const { operation, token, ttl, limit = 1 } = request;
    const shared = limit > 1 ? ` of ${limit}` : '';
    return this.#transmit<T>(
      () => `${operation} ${token.slice(0, 4)}${shared} ${ttl}`,
      (answer) => {
        this.#judge.reached(this.#process, request);
        this.#server.receive(request, answer as (answer: Attempt | boolean) => void);
      },
    ).finally(() => this.#judge.settled(this.#process, request));
  }

  async #watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    const onRelease = () => this.#wakeUp(onRelease, wake);
    await this.#transmit<true>(
      () => 'watch',
      (answer) => answer(true),
    );
    this.#server.watchers.set(onRelease, name);
    this.#wakes.set(onRelease, wake);
    return {
      [Symbol.asyncDispose]: async () => {
        this.#server.watchers.delete(onRelease);
        this.#wakes.delete(onRelease);
      },
    };
  }

  /** News for this process alone. Nobody receives it once the process is dead, or has stopped to watch. */
  #call(name: string, news: News): boolean {
    const watching = [...this.#wakes].filter(
      ([watcher]) => this.#server.watchers.get(watcher) === name,
    );
    for (const [watcher, wake] of watching) this.#wakeUp(watcher, wake, news);
    return watching.length > 0;
  }

  #wakeUp(watcher: () => void, wake: (news?: News) => void, news?: News): void {
    const fate = this.#nextFate();
    if ('fails' in fate) this.#world.tell('wake-up lost', this.#process.name);
    else {
      this.#world.in(fate.there, () => {
        if (!this.#wakes.has(watcher)) return;
        this.#world.tell(news?.after ? 'alarmed' : 'woken', this.#process.name);
        this.#process.do('replies', () => wake(news));
      });
    }
  }

  #nextFate(): Fate {
    const next = this.#healed ? undefined : this.#fates.next();
    const fate = next && !next.done ? next.value : prompt;
    this.#judge.befallen(this.#process, fate, Math.max(0, ...arrivalsOf(fate, this.timeout)));
    return fate;
  }

  #transmit<T>(about: () => string, carryOut: (answer: (answer: T) => void) => void): Promise<T> {
    const fate = this.#nextFate();
    this.#world.tell(fate.kind, this.#process.name, () => `${about()} ${JSON.stringify(fate)}`);
    return new Promise<T>((resolve, reject) => {
      const number = ++this.#sent;
      const message = { number, about, reject, settled: false, lostAfter: Infinity };
      this.#pending.add(message);
      if ('fails' in fate) this.#world.in(fate.fails, () => this.#fail(message, fate.kind));
      const arrivals = arrivalsOf(fate, this.timeout);
      for (const [index, ms] of arrivals.entries()) {
        const last = index === arrivals.length - 1;
        this.#arrive(message, ms, () =>
          carryOut((answer) => {
            const said = () => `${about()}: ${JSON.stringify(answer)}`;
            this.#world.tell('carried out', this.#server.name, said);
            if (last && 'back' in fate) this.#reply(message, fate.back, () => resolve(answer));
          }),
        );
      }
    });
  }

  #arrive(message: Message, ms: number, then: () => void): void {
    const at = Math.max(this.#world.now + ms, this.#ordered ? this.#lastArrival : 0);
    this.#lastArrival = at;
    this.#world.at(at, () => {
      if (at > message.lostAfter) return this.#fail(message, 'lost');
      if (this.#server.isDown) return this.#fail(message, 'the server is down');
      const overtaken = message.number < this.#reached;
      if (overtaken) this.#world.tell('overtaken', this.#process.name, message.about);
      this.#reached = Math.max(this.#reached, message.number);
      then();
    });
  }

  #reply(message: Message, ms: number, resolve: () => void): void {
    const at = Math.max(this.#world.now + ms, this.#ordered ? this.#lastReply : 0);
    this.#lastReply = at;
    this.#world.at(at, () => this.#settle(message, resolve));
  }

  #fail(message: Message, reason: string): void {
    this.#limit(message);
    this.#settle(message, () => message.reject(new Error(reason)));
  }

  /** It reaches the store within a `share` of the time that is left to a request that failed, or never. */
  #limit(message: Message, share = 1): void {
    const end = this.#world.now + share * grace * this.timeout;
    message.lostAfter = Math.min(message.lostAfter, end);
  }

  #settle(message: Message, how: () => void): void {
    if (message.settled) return;
    message.settled = true;
    this.#pending.delete(message);
    this.#process.do('replies', how);
  }
}

/** After how many milliseconds a message reaches the store, each time that it does. */
function arrivalsOf(fate: Fate, timeout: number): number[] {
  switch (fate.kind) {
    case 'delivered':
      return [fate.there];
    case 'sent again':
      return [fate.there, fate.there + fate.again];
    case 'request lost':
      return [];
    case 'reply lost':
      return [Math.min(fate.there, fate.fails)];
    case 'late':
      return [fate.fails + fate.share * grace * timeout];
  }
}
