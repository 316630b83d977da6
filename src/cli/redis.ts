/** Redis by its place: the client of a server, a cluster, or what sentinels watch over, connected. */
import { within } from '../base/time-limit.js';
import { RedisStore, type RedisStoreOptions } from '../stores/redis/redis.js';
import { connectTimeout, load } from './client.js';
import type { RedisPlace } from './place.js';
import { type Redis, serverClient, topologyClient } from './redis-clients.js';
import { Connections } from './redis-connections.js';
import { respondingNodes } from './redis-nodes.js';

export function loadRedis(): Promise<Redis> {
  return load('redis', () => import('redis'));
}

/**
 * @throws UnusableStore once it is clear that the store cannot be connected to, and after
 * {@link connectTimeout} in any case: a client waits for a greeting without limit.
 */
export async function openRedis(
  redis: Redis,
  place: RedisPlace,
  options: RedisStoreOptions,
): Promise<RedisStore> {
  const connections = new Connections();
  const open = async () => {
    const client =
      place.kind === 'redis'
        ? serverClient(redis, place)
        : topologyClient(redis, place, await respondingNodes(redis, place, connections));
    const store = new RedisStore(client, options);
    await connections.open(client);
    return store;
  };
  try {
    return await within(connectTimeout, 'not connected', open());
  } catch (error) {
    connections.abandon();
    throw connections.explain(error);
  }
}
