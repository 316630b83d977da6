/** Redis and Valkey: a server, a cluster, or what sentinels watch over. */
import { within } from '../base/time-limit.js';
import { RedisStore, type RedisStoreOptions } from '../stores/redis/redis.js';
import { connectTimeout, load, refuse } from './client.js';
import { hostAndPort, hostsAndPorts, identitiesOfHosts, identityOf } from './hosts.js';
import type { Kind, Place } from './place.js';
import { type Redis, serverClient, topologyClient } from './redis-clients.js';
import { Connections } from './redis-connections.js';
import { respondingNodes } from './redis-nodes.js';
import { type RedisPlace, readRedisUrl } from './redis-url.js';

export const redis: Kind = {
  schemes: [
    'redis://',
    'rediss://',
    'redis+unix://',
    'redis+cluster://',
    'redis+sentinel://',
    'valkey://',
    'valkeys://',
    'valkey+unix://',
    'valkey+cluster://',
    'valkey+sentinel://',
  ],
  read: (url) => placeOf(readRedisUrl(url)),
};

function placeOf(place: RedisPlace): Place {
  return {
    name: nameOf(place),
    identities: () => identitiesOf(place),
    check: (options) => void new RedisStore(standIn, options),
    connects: true,
    shares: true,
    async load() {
      const library = await load('redis', () => import('redis'));
      return (options) => openRedis(library, place, options);
    },
  };
}

/** A client that stands for one that is yet to be connected. */
const standIn = { eval: refuse, evalSha: refuse, EVAL: refuse, connect: refuse };

function nameOf(place: RedisPlace): string {
  switch (place.kind) {
    case 'redis': {
      const { address, database, tls } = place;
      if ('path' in address) return `redis+unix://${address.path}?db=${database}`;
      return `${tls ? 'rediss' : 'redis'}://${hostAndPort(address)}/${database}`;
    }
    case 'cluster':
      return `redis+cluster://${hostsAndPorts(place.nodes)}`;
    case 'sentinel':
      return `redis+sentinel://${hostsAndPorts(place.nodes)}/${place.master}`;
  }
}

function identitiesOf(place: RedisPlace): string[] {
  switch (place.kind) {
    case 'redis':
      return [identityOf(place.address)];
    case 'cluster':
      return identitiesOfHosts(place.nodes);
    case 'sentinel':
      return identitiesOfHosts(place.nodes).map((node) => `${place.master}@${node}`);
  }
}

/**
 * @throws UnusableStore once it is clear that the store cannot be connected to, and after
 * {@link connectTimeout} in any case: a client waits for a greeting without limit.
 */
async function openRedis(
  library: Redis,
  place: RedisPlace,
  options: RedisStoreOptions,
): Promise<RedisStore> {
  const connections = new Connections();
  const open = async () => {
    const client =
      place.kind === 'redis'
        ? serverClient(library, place)
        : topologyClient(library, place, await respondingNodes(library, place, connections));
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
