/**
 * Locks in Redis, through node-redis.
 *
 * @module dlock-js/redis
 */
import { checkClient } from '../clients.js';
import type { KeyedStoreOptions } from '../options.js';
import { type Evaluate, type RedisAccess, RedisLocks } from './locks.js';
import type { SubscriberConnection, SubscriberEvents } from './subscriber.js';

/** The part of a node-redis client (4, 5 or 6) that the store needs. */
export interface RedisClient {
  /** The command EVAL; resolves to its reply. */
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** The command EVALSHA. */
  evalSha(digest: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  /** Also the command EVAL. It and `connect` distinguish clients of node-redis from all others. */
  readonly EVAL: unknown;
  /** Never called: the client belongs to the caller. */
  connect(): Promise<unknown>;
  /** Where there is none (a pool), nobody is woken: waiting processes ask more often. */
  duplicate?(overrides?: object): RedisSubscriberClient;
  /** False while the client keeps commands until it is connected again; absent in pools. */
  readonly isReady?: boolean;
  /** The same client with other options for its commands; since node-redis 5. */
  withCommandOptions?(options: { timeout: number }): Pick<RedisClient, 'eval' | 'evalSha'>;
  /** Clusters have it. */
  getMasters?(): unknown;
  /** Clients of Sentinel have it. */
  getSentinelNode?(): unknown;
}

/** The part of a cluster of node-redis 4 that the store needs besides. */
interface Cluster4 extends RedisClient {
  sendCommand(firstKey: string | undefined, isReadOnly: boolean, words: string[]): Promise<unknown>;
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
  /** True until it is ended; it may be connecting. */
  readonly isOpen?: boolean;
  readonly isReady?: boolean;
  /** Ends the connection: `destroy` since node-redis 5, `disconnect` before. */
  destroy?(): unknown;
  disconnect?(): Promise<unknown>;
}

/** `prefix` must not begin with NUL. */
export interface RedisStoreOptions extends KeyedStoreOptions {}

/**
 * Locks shared by everything that uses the same Redis database. The lock is the key prefix + name and holds
 * the token; a second key, NUL + prefix + name, remembers the fence. Needs Redis 5 or later.
 *
 * The client must be connected, and still belongs to the caller. While somebody waits for a lock, the store
 * keeps one duplicate of the client, by which it is woken.
 */
export class RedisStore extends RedisLocks {
  /** @throws TypeError or RangeError for another client, or invalid options. */
  constructor(client: RedisClient, options?: RedisStoreOptions) {
    checkClient('redis', client);
    const access = {
      ...evaluateWith(client),
      openSubscriber: (events: SubscriberEvents) => subscriberOf(client, events),
      isConnected: () => client.isReady,
      hasOneServer: !client.getMasters && !client.getSentinelNode,
    };
    super('RedisStore', access, options);
  }
}

type Evaluates = Pick<RedisAccess, 'evaluate' | 'evaluateDigest'>;

/**
 * node-redis gives each command a time limit within which it must leave (`commandOptions.timeout`, 5 s
 * since version 6), at the price of an AbortSignal each. While there is a connection a command leaves at
 * once, and the store's own limit is enough. While there is none the client's limit stays, which drops
 * what would otherwise be sent much later.
 */
function evaluateWith(client: RedisClient): Evaluates {
  if (client.getMasters && !client.withCommandOptions) return evaluateBySlot(client as Cluster4);
  const unlimited = client.withCommandOptions?.({ timeout: 0 }) ?? client;
  const sender = () => (client.isReady ? unlimited : client);
  return {
    evaluate: (script, keys, args) => sender().eval(script, { keys, arguments: args }),
    evaluateDigest: (digest, keys, args) => sender().evalSha(digest, { keys, arguments: args }),
  };
}

/**
 * A cluster of node-redis 4 does not look for the key of an EVAL: it asks a node by chance, another one
 * if that has not the slot, and gives up after some (issue 2811 of node-redis). So it is told the key.
 */
function evaluateBySlot(client: Cluster4): Evaluates {
  const by =
    (command: string): Evaluate =>
    (script, keys, args) =>
      client.sendCommand(keys[0], false, [command, script, `${keys.length}`, ...keys, ...args]);
  return { evaluate: by('EVAL'), evaluateDigest: by('EVALSHA') };
}

/** The client's cache, if any, stays its own: a duplicate that shares it empties it when it ends. */
function subscriberOf(client: RedisClient, events: SubscriberEvents): SubscriberConnection {
  const connection = client.duplicate?.({ clientSideCache: undefined });
  if (!connection?.subscribe) throw new TypeError('This client cannot subscribe');
  // Without a listener an error would end the process; the client connects again by itself.
  connection.on('error', () => {});
  const hear = (text: string, channel: string) => events.message(channel, text);
  let connecting: Promise<unknown> | undefined;
  return {
    async connect() {
      connecting = connection.connect().finally(() => {
        connecting = undefined;
      });
      await connecting;
      connection.on('ready', events.reconnected);
    },
    subscribe: (channel) => connection.subscribe(channel, hear),
    unsubscribe: (channel) => connection.unsubscribe(channel),
    isReady: () => connection.isReady,
    async close() {
      const isConnecting = connecting || (connection.isReady === false && !client.getMasters);
      if (connection.isOpen && isConnecting) await attemptEnded(connection, connecting);
      await (connection.destroy ? connection.destroy() : connection.disconnect?.());
    },
  };
}

/**
 * An attempt to connect has ended, either way. A client of node-redis that is ended during one connects
 * all the same, and stays.
 */
function attemptEnded(
  connection: RedisSubscriberClient,
  connecting: Promise<unknown> | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    connection.on('ready', resolve);
    connection.on('error', resolve);
    connecting?.finally(resolve).catch(() => {});
  });
}
