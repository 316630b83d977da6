/** Which nodes of a cluster, or which sentinels, can be asked. */
import { pause } from '../base/clock.js';
import { connectTimeout } from './client.js';
import type { Host } from './hosts.js';
import type { Redis } from './redis-clients.js';
import { type Connections, close } from './redis-connections.js';
import type { RedisCluster, RedisSentinel } from './redis-url.js';

/** How much longer than the first the others may take to greet, in milliseconds. */
const grace = 250;

/**
 * The nodes without those that accept a connection and then say nothing. A client asks one node after
 * the other, and would wait for such a one until the time is over, though the next one answers. One
 * that refuses is no trouble. Does not resolve while all are silent.
 */
export async function respondingNodes(
  { createClient }: Redis,
  { kind, nodes, credentials }: RedisCluster | RedisSentinel,
  connections: Connections,
): Promise<readonly Host[]> {
  if (nodes.length === 1) return nodes;
  const silent = new Set(nodes);
  const greet = async (node: Host) => {
    const client = createClient({
      ...(kind === 'cluster' && credentials),
      socket: { ...node, connectTimeout, reconnectStrategy: false },
    });
    try {
      await connections.open(client);
    } finally {
      silent.delete(node);
      close(client);
    }
  };
  const greetings = nodes.map(greet);
  const all = Promise.allSettled(greetings);
  await Promise.any(greetings).catch(() => all);
  await Promise.race([all, pause(grace)]);
  return nodes.filter((node) => !silent.has(node));
}
