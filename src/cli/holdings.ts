/** Keeps account of what this process holds in the store, or may hold, so that it can end clean. */
import type { Attempt, LockStore } from '../store.js';

/** Answers as `store` does, and notes down each token that the store may know. */
export class Holdings implements LockStore {
  readonly ttl?: number;
  readonly timeout?: number;
  readonly maxTtl?: number;
  readonly watch?: NonNullable<LockStore['watch']>;
  /** Resolves with {@link close}. */
  readonly closed: Promise<void>;
  readonly #store: LockStore;
  readonly #tokens = new Set<string>();
  #underWay = 0;
  #closing = false;
  #closed = () => {};
  #emptied = () => {};

  constructor(store: LockStore) {
    this.#store = store;
    this.closed = new Promise((resolve) => {
      this.#closed = resolve;
    });
    if (store.ttl !== undefined) this.ttl = store.ttl;
    if (store.timeout !== undefined) this.timeout = store.timeout;
    if (store.maxTtl !== undefined) this.maxTtl = store.maxTtl;
    if (store.watch) this.watch = store.watch.bind(store);
  }

  /**
   * From now on an extension is the last, and lets the lock lapse; and what is acquired is meant to
   * stay: the mark of a period that is done.
   */
  close(): void {
    this.#closing = true;
    this.#closed();
  }

  /** Resolves when nothing is held and nothing is under way by which something could be. */
  emptied(): Promise<void> {
    return new Promise((resolve) => {
      this.#emptied = () => {
        if (this.#tokens.size === 0 && this.#underWay === 0) resolve();
      };
      this.#emptied();
    });
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    this.#tokens.add(token);
    this.#underWay += 1;
    try {
      const answer = await this.#store.acquire(name, token, ttl);
      if (answer.granted && !this.#closing) this.#tokens.add(token);
      else this.#tokens.delete(token);
      return answer;
    } finally {
      this.#underWay -= 1;
      this.#emptied();
    }
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    const ours = await this.#store.extend(name, token, ttl);
    if (!ours || this.#closing) this.#remove(token);
    return ours;
  }

  async release(name: string, token: string): Promise<boolean> {
    const ours = await this.#store.release(name, token);
    this.#remove(token);
    return ours;
  }

  #remove(token: string): void {
    this.#tokens.delete(token);
    this.#emptied();
  }
}
