/** Locks in Redis, through node-redis. */
import type { Attempt, LockStore } from '../store.js';
import { type KeyedStoreOptions, readOptions } from './options.js';
import {
  acquireCall,
  type Call,
  checkPrefix,
  extendCall,
  readAnswer,
  readAttempt,
  releaseCall,
} from './redis-scripts.js';

/** The part of a node-redis client (4, 5 or 6) that the store needs. */
export interface RedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** `prefix` must not be empty. */
export type RedisStoreOptions = KeyedStoreOptions;

/**
 * Excludes among all that use the same Redis database. The lock is the key prefix + name and holds
 * the token; a second key, NUL + prefix + name, remembers the fence. Needs Redis 5 or later.
 *
 * The client must be connected, and stays the caller's: the store opens and closes nothing.
 */
export class RedisStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly #client: RedisClient;
  readonly #prefix: string;

  /** @throws TypeError or RangeError for options that cannot be meant. */
  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    if (typeof client?.eval !== 'function') {
      throw new TypeError(`RedisStore needs a client of the package redis, not ${String(client)}`);
    }
    ({ ttl: this.ttl, timeout: this.timeout, prefix: this.#prefix } = readOptions(options));
    checkPrefix(this.#prefix);
    this.#client = client;
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    return readAttempt(await this.#run(acquireCall(this.#prefix + name, token, ttl)));
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    return readAnswer(await this.#run(extendCall(this.#prefix + name, token, ttl)));
  }

  async release(name: string, token: string): Promise<boolean> {
    return readAnswer(await this.#run(releaseCall(this.#prefix + name, token)));
  }

  #run({ script, ...call }: Call): Promise<unknown> {
    return this.#client.eval(script, call);
  }
}
