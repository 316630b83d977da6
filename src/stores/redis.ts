/** Locks in Redis, through node-redis. */
import type { Attempt, LockStore } from '../store.js';
import { type KeyedStoreOptions, readOptions } from './options.js';
import {
  acquireCall,
  type Call,
  channelOf,
  checkPrefix,
  extendCall,
  readAnswer,
  readAttempt,
  releaseCall,
} from './redis-scripts.js';
import { RedisSubscriber, type SubscriberConnection } from './redis-subscriber.js';

/** The part of a node-redis client (4, 5 or 6) that the store needs. */
export interface RedisClient {
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Where there is none (a pool), nobody is woken: those who wait ask more often. */
  duplicate?(): RedisSubscriberClient;
}

/** The part of a duplicate of the client that the store needs to be woken. */
export interface RedisSubscriberClient {
  connect(): Promise<unknown>;
  on(event: string, listener: () => void): unknown;
  subscribe(channel: string, listener: () => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** Ends the connection: `destroy` since node-redis 5, `disconnect` before. */
  destroy?(): unknown;
  disconnect?(): Promise<unknown>;
}

/** `prefix` must not be empty. */
export type RedisStoreOptions = KeyedStoreOptions;

/**
 * Excludes among all that use the same Redis database. The lock is the key prefix + name and holds
 * the token; a second key, NUL + prefix + name, remembers the fence. Needs Redis 5 or later.
 *
 * The client must be connected, and stays the caller's. While somebody waits for a lock, the store
 * keeps one duplicate of it, by which it is woken.
 */
export class RedisStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly #client: RedisClient;
  readonly #prefix: string;
  readonly #subscriber = new RedisSubscriber(() => this.#openSubscriber());

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

  watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    return this.#subscriber.watch(channelOf(this.#prefix + name), wake);
  }

  #openSubscriber(): SubscriberConnection {
    const client = this.#client.duplicate?.();
    if (!client?.subscribe) throw new TypeError('This client cannot subscribe');
    // Without a listener an error would end the process; the client connects again by itself.
    client.on('error', () => {});
    return {
      connect: () => client.connect(),
      subscribe: (channel, listener) => client.subscribe(channel, listener),
      unsubscribe: (channel) => client.unsubscribe(channel),
      onReconnect: (listener) => client.on('ready', listener),
      close: () => (client.destroy ? client.destroy() : client.disconnect?.()),
    };
  }

  #run({ script, ...call }: Call): Promise<unknown> {
    return this.#client.eval(script, call);
  }
}
