/**
 * Locks in Redis, through ioredis.
 *
 * @module dlock-js/ioredis
 */
import { checkClient } from '../clients.js';
import { type Corkable, corkForNow } from '../cork.js';
import type { KeyedStoreOptions } from '../options.js';
import { type Evaluate, RedisLocks } from './locks.js';
import type { SubscriberConnection, SubscriberEvents } from './subscriber.js';

/** The part of a client of ioredis (5 or 6), a `Redis` or a `Cluster`, that the store needs. */
export interface IoredisClient {
  /** `ready` while commands can be sent. It distinguishes clients of ioredis from all others. */
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: { readonly keyPrefix?: string | undefined; readonly sentinels?: unknown };
  /** Its connection, where it has a single one, once there is one. */
  readonly stream?: Corkable;
  /** The command EVAL; resolves to its reply. */
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** The command EVALSHA. */
  evalsha(digest: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  /** Another connection, by which waiting processes are woken. */
  duplicate(): IoredisSubscriberClient;
}

/** The part of a duplicate that the store needs to be woken. */
interface IoredisSubscriberClient {
  connect(): Promise<unknown>;
  readonly status: string;
  on(
    event: 'error' | 'message' | 'ready',
    listener: (channel: string, text: string) => void,
  ): unknown;
  once(event: 'ready', listener: () => void): unknown;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  disconnect(): void;
}

/** `prefix` must not begin with NUL. */
export interface IoredisStoreOptions extends KeyedStoreOptions {}

/**
 * Locks shared by everything that uses the same Redis database, through any client: keys and scripts are
 * those of `RedisStore`. Needs Redis 5 or later.
 *
 * The client still belongs to the caller, and its `keyPrefix` is put before every key; that of a `Cluster`
 * must be empty, or a lock and its fence would be in different slots. While somebody waits for a lock, the
 * store keeps one duplicate of the client, by which it is woken.
 *
 * ioredis resends a command whose reply was lost with the connection. For taking a lock that is sound, but if
 * a release had already been carried out, the lease then appears to have been lost. With
 * `maxRetriesPerRequest: 0` it is a `StoreError` instead.
 */
export class IoredisStore extends RedisLocks {
  /** @throws TypeError or RangeError for another client, or invalid options. */
  constructor(client: IoredisClient, options?: IoredisStoreOptions) {
    checkClient('ioredis', client);
    const { keyPrefix } = client.options;
    if (client.isCluster && keyPrefix) {
      throw new RangeError(
        `The keyPrefix of a Cluster must be empty for IoredisStore, not ${JSON.stringify(keyPrefix)}`,
      );
    }
    const evaluateBy =
      (command: 'eval' | 'evalsha'): Evaluate =>
      (script, keys, args) => {
        if (client.stream) corkForNow(client.stream);
        return client[command](script, keys.length, ...keys, ...args);
      };
    const access = {
      evaluate: evaluateBy('eval'),
      evaluateDigest: evaluateBy('evalsha'),
      openSubscriber: (events: SubscriberEvents) => subscriberOf(client, events),
      isConnected: () => client.status === 'ready',
      hasOneServer: !client.isCluster && !client.options.sentinels,
    };
    super('IoredisStore', access, options);
  }
}

function subscriberOf(client: IoredisClient, events: SubscriberEvents): SubscriberConnection {
  const connection = client.duplicate();
  // Without a listener the client would print errors; it connects again by itself.
  connection.on('error', () => {});
  connection.on('message', events.message);
  return {
    async connect() {
      const ready = new Promise<void>((resolve) => connection.once('ready', resolve));
      // Refused where the duplicate has begun by itself, as it does unless told to be lazy.
      connection.connect().catch(() => {});
      await ready;
      connection.on('ready', events.reconnected);
    },
    subscribe: (channel) => connection.subscribe(channel),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    isReady: () => connection.status === 'ready',
    close: () => connection.disconnect(),
  };
}
