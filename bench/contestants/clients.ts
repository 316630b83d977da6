/** The clients, connected, each with the settings that its own documentation gives first. */
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';

/** Lost connections are part of some measures: the client reconnects, and must not end the process. */
const ignore = () => {};

export async function openNodeRedis(port: number) {
  return createClient({ socket: { host: '127.0.0.1', port } })
    .on('error', ignore)
    .connect();
}

export async function openIoredis(port: number): Promise<Redis> {
  const client = new Redis(port, '127.0.0.1', { lazyConnect: true }).on('error', ignore);
  await client.connect();
  return client;
}

/** Without TCP_NODELAY, 100 requests at once would measure the kernel's delayed acknowledgement. */
export async function openMemcached(port: number): Promise<MemcacheClient> {
  const client = new MemcacheClient({ server: `127.0.0.1:${port}`, noDelay: true });
  await client.version();
  return client;
}
