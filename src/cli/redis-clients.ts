/** The clients of node-redis (4, 5, 6) for each kind of place, not connected yet. */
import type { RedisClient } from '../stores/redis/redis.js';
import { connectTimeout, UnusableStore } from './client.js';
import type { Host } from './hosts.js';
import type { RedisCluster, RedisSentinel, RedisServer } from './redis-url.js';
import { contentsOf } from './tls-files.js';

export type Redis = typeof import('redis');

/** What the clients of all kinds of places have in common. */
export interface Client extends RedisClient {
  connect(): Promise<unknown>;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  destroy?(): unknown;
  disconnect?(): Promise<unknown>;
}

/** The first connection fails at once, so that it is reported; later ones are made again. */
export function serverClient({ createClient }: Redis, place: RedisServer): Client {
  const { address, database, credentials, tls } = place;
  let connected = false;
  const reconnectStrategy = (retries: number) => connected && Math.min(50 * retries, 500);
  const socket = {
    ...address,
    ...(tls && { tls: true, ...contentsOf(tls) }),
    connectTimeout,
    reconnectStrategy,
  };
  // The types of the client know a socket with a path only apart from one with TLS.
  const client = createClient({ ...credentials, database, socket: socket as object });
  client.on('ready', () => {
    connected = true;
  });
  return client;
}

/** @param nodes where it begins to ask. */
export function topologyClient(
  redis: Redis,
  place: RedisCluster | RedisSentinel,
  nodes: readonly Host[],
): Client {
  const { credentials } = place;
  const socket = { connectTimeout };
  if (place.kind === 'cluster') {
    return redis.createCluster({
      rootNodes: nodes.map((address) => ({ socket: address })),
      defaults: { ...credentials, socket },
      // A lock lives on one node: the others need not be connected, and must not be waited for.
      minimizeConnections: true,
    });
  }
  if (!redis.createSentinel) throw new UnusableStore('sentinels need the package redis 5 or later');
  return redis.createSentinel({
    name: place.master,
    sentinelRootNodes: [...nodes],
    nodeClientOptions: { ...credentials, socket },
    sentinelClientOptions: { socket },
  });
}
