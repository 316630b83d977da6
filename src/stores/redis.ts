/**
 * Locks in Redis, through node-redis.
 *
 * @module dlock-js/redis
 */
import type { KeyedStoreOptions } from './options.js';
import { RedisLocks } from './redis-locks.js';
import type { SubscriberConnection, SubscriberEvents } from './redis-subscriber.js';

/** The part of a node-redis client (4, 5 or 6) that the store needs. */
export interface RedisClient {
  /** The command EVAL; resolves to its reply. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Where there is none (a pool), nobody is woken: those who wait ask more often. */
  duplicate?(): RedisSubscriberClient;
}

/** The part of a duplicate that the store needs to be woken. */
interface RedisSubscriberClient {
  connect(): Promise<unknown>;
  on(event: 'error' | 'ready', listener: () => void): unknown;
  subscribe(
    channel: string,
    listener: (message: string, channel: string) => void,
  ): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** Ends the connection: `destroy` since node-redis 5, `disconnect` before. */
  destroy?(): unknown;
  disconnect?(): Promise<unknown>;
}

/** `prefix` must not be empty. */
export interface RedisStoreOptions extends KeyedStoreOptions {}

/**
 * Excludes among all that use the same Redis database. The lock is the key prefix + name and holds
 * the token; a second key, NUL + prefix + name, remembers the fence. Needs Redis 5 or later.
 *
 * The client must be connected, and stays the caller's. While somebody waits for a lock, the store
 * keeps one duplicate of it, by which it is woken.
 */
export class RedisStore extends RedisLocks {
  /** @throws TypeError or RangeError for options that cannot be meant. */
  constructor(client: RedisClient, options?: RedisStoreOptions) {
    if (typeof client?.eval !== 'function') {
      throw new TypeError(`RedisStore needs a client of redis, not ${typeof client}`);
    }
    super(
      (script, keys, args) => client.eval(script, { keys, arguments: args }),
      (events) => subscriberOf(client, events),
      options,
    );
  }
}

function subscriberOf(client: RedisClient, events: SubscriberEvents): SubscriberConnection {
  const connection = client.duplicate?.();
  if (!connection?.subscribe) throw new TypeError('This client cannot subscribe');
  // Without a listener an error would end the process; the client connects again by itself.
  connection.on('error', () => {});
  const hear = (_message: string, channel: string) => events.message(channel);
  return {
    async connect() {
      await connection.connect();
      connection.on('ready', events.reconnected);
    },
    subscribe: (channel) => connection.subscribe(channel, hear),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    close: () => (connection.destroy ? connection.destroy() : connection.disconnect?.()),
  };
}
