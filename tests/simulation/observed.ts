/** A store as the core sees it, whose requests and answers the judge hears of. */
import type { Attempt, LockStore } from '../../src/store.js';
import type { Judge } from './invariants.js';
import type { SimulatedProcess } from './process.js';
import type { Request } from './server.js';

export class Observed implements LockStore {
  readonly timeout: number;
  readonly ordered: boolean;
  readonly limits: LockStore['limits'];
  readonly acquireShared?: NonNullable<LockStore['acquireShared']>;
  readonly watch?: NonNullable<LockStore['watch']>;
  readonly #store: LockStore;
  readonly #process: SimulatedProcess;
  readonly #judge: Judge;

  constructor(store: LockStore, timeout: number, process: SimulatedProcess, judge: Judge) {
    this.#store = store;
    this.timeout = timeout;
    this.ordered = store.ordered === true;
    this.limits = store.limits;
    this.#process = process;
    this.#judge = judge;
    const { acquireShared } = store;
    if (acquireShared) {
      this.acquireShared = (name, token, ttl, limit, patience) => {
        const request = { operation: 'acquire', name, token, ttl, limit } as const;
        const asked = acquireShared.call(store, name, token, ttl, limit, patience);
        return this.#observe(request, asked);
      };
    }
    if (store.watch) this.watch = store.watch.bind(store);
  }

  acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    const request = { operation: 'acquire', name, token, ttl } as const;
    return this.#observe(request, this.#store.acquire(name, token, ttl, patience));
  }

  extend(name: string, token: string, ttl: number, limit?: number): Promise<boolean> {
    const request = { operation: 'extend', name, token, ttl } as const;
    return this.#observe(request, this.#store.extend(name, token, ttl, limit));
  }

  release(name: string, token: string, heir?: string): Promise<boolean> {
    const request = { operation: 'release', name, token, ttl: 0, heir } as const;
    return this.#observe(request, this.#store.release(name, token, heir));
  }

  async #observe<T extends Attempt | boolean>(request: Request, asked: Promise<T>): Promise<T> {
    const sent = this.#process.monotonic();
    this.#judge.sent(this.#process, request);
    const answer = await asked.finally(() => this.#judge.heard(request));
    this.#judge.answered(this.#process, request, answer, this.#process.monotonic() - sent);
    return answer;
  }
}
