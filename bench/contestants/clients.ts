/**
 * The clients, connected, each with the settings that its own documentation gives first. Their names
 * lead to this package's own versions, which the results tell: its ioredis is still the fifth.
 */
import { clients, connected } from '../../tests/support/clients.js';

export async function openNodeRedis(port: number) {
  const { client } = await connected(clients['node-redis 6'](`redis://127.0.0.1:${port}`));
  return client;
}

export async function openIoredis(port: number) {
  const { client } = await connected(clients['ioredis 6'](`redis://127.0.0.1:${port}`));
  return client;
}

/** Without TCP_NODELAY, 100 requests at once would measure the kernel's delayed acknowledgement. */
export async function openMemcached(port: number) {
  const url = `memcache://127.0.0.1:${port}`;
  const { client } = await clients['memcache-client'](url, { noDelay: true });
  await client.version();
  return client;
}
