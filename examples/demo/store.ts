/** The store that the servers share, opened by its URL; only the client that it needs is loaded. */
import { fileURLToPath } from 'node:url';
import type { LockStore } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';

/**
 * How long the lock stays taken when its holder dies, in milliseconds. Whole seconds, since
 * Memcached counts in those.
 */
export const ttl = 2_000;

/** `prefix` keeps the demo's locks apart from all else on a server that is in use. */
export async function openStore(url: string, prefix: string): Promise<LockStore> {
  const { protocol, hostname, port } = new URL(url);
  switch (protocol) {
    case 'file:':
      return new FileStore(fileURLToPath(url), { ttl });
    case 'redis:':
    case 'rediss:':
      return new RedisStore(await connectRedis(url), { ttl, prefix });
    case 'memcache:':
      return new MemcacheStore(await connectMemcache(`${hostname}:${port || 11211}`), {
        ttl,
        prefix,
      });
    default:
      throw new Error('the demo knows redis://, rediss:// and memcache:// only');
  }
}

/** An application would let the client reconnect; the demo would rather say that nobody is there. */
async function connectRedis(url: string) {
  const { createClient } = await import('redis');
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => {}); // the request that fails says it too
  return client.connect();
}

/** This client connects with its first request. */
async function connectMemcache(server: string) {
  const { MemcacheClient } = await import('memcache-client');
  const client = new MemcacheClient({ server, connectTimeout: 5_000 });
  await client.version();
  return client;
}
