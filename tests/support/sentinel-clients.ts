/** The stores of both clients, behind the sentinels of a test. */
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { createSentinel } from 'redis';
import type { SentinelGroup } from './servers/sentinel.js';
import type { OpenStore } from './stores.js';

/** Both clients tell of each connection that fails; what matters is what their requests say. */
const ignore = () => {};

export async function openNodeRedis(
  { name, sentinels }: SentinelGroup,
  options: { timeout?: number } = {},
): Promise<OpenStore> {
  const client = createSentinel({ name, sentinelRootNodes: [...sentinels] });
  client.on('error', ignore);
  await client.connect();
  return { store: new RedisStore(client, options), close: () => client.destroy() };
}

export async function openIoredis(
  { name, sentinels }: SentinelGroup,
  options: { timeout?: number } = {},
): Promise<OpenStore> {
  const client = new Redis({ name, sentinels: [...sentinels] });
  client.on('error', ignore);
  return { store: new IoredisStore(client, options), close: async () => client.disconnect() };
}
