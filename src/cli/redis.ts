/** Redis by its URL: a server, a cluster, or what sentinels watch over. */
import { reasonOf } from '../base/errors.js';
import { RedisStore } from '../stores/redis.js';
import { UsageError } from './arguments.js';
import { connectTimeout, load, UnusableStore } from './client.js';
import { decoded } from './store-url.js';

/** The first connection fails at once, so that somebody is told; later ones are made again. */
export async function openRedis(url: string): Promise<RedisStore> {
  const { createClient } = await load('redis', () => import('redis'));
  let connected = false;
  const reconnectStrategy = (retries: number) => connected && Math.min(50 * retries, 500);
  const client = createClient({ url, socket: { connectTimeout, reconnectStrategy } });
  // The request that fails tells it.
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    throw new UnusableStore(reasonOf(error));
  }
  connected = true;
  return new RedisStore(client);
}

const topology =
  /^redis\+(cluster|sentinel):\/\/(?:(?<user>[^@:/?#]*)(?::(?<secret>[^@/?#]*))?@)?(?<hosts>[^@/?#]+)(?:\/(?<master>[^/?#@]*))?$/i;

/** A user and a password are for the servers; the sentinels are asked without. */
export async function openTopology(url: string): Promise<RedisStore> {
  const [, kind = '', user, secret, hosts = '', master = ''] = topology.exec(url) ?? [];
  const addresses = hosts.split(',').map((host) => addressOf(host, kind));
  const isSentinel = kind.toLowerCase() === 'sentinel';
  if (addresses.includes(undefined) || isSentinel !== master.length > 0) {
    throw new UsageError(
      'the URL is redis+cluster://[[user]:password@]host[:port][,host[:port]...], or redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master',
    );
  }
  const nodes = addresses as { host: string; port: number }[];
  const { createCluster, createSentinel } = await load('redis', () => import('redis'));
  const credentials = {
    ...(user && { username: decoded(user) }),
    ...(secret && { password: decoded(secret) }),
  };
  const socket = { connectTimeout };
  const client = isSentinel
    ? createSentinel({
        name: decoded(master),
        sentinelRootNodes: nodes,
        nodeClientOptions: { ...credentials, socket },
        sentinelClientOptions: { socket },
      })
    : createCluster({
        rootNodes: nodes.map((address) => ({ socket: address })),
        defaults: { ...credentials, socket },
      });
  // The request that fails tells it.
  client.on('error', () => {});
  try {
    await connected(client.connect());
  } catch (error) {
    throw new UnusableStore(reasonOf(error));
  }
  return new RedisStore(client);
}

/** Such a client may try one address after another without end. */
async function connected(connecting: Promise<unknown>): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    const message = `not connected within ${connectTimeout} ms`;
    setTimeout(() => reject(new Error(message)), connectTimeout).unref();
  });
  await Promise.race([connecting, late]);
}

function addressOf(host: string, kind: string): { host: string; port: number } | undefined {
  if (!URL.canParse(`redis://${host}`)) return undefined;
  const { hostname, port } = new URL(`redis://${host}`);
  if (!hostname) return undefined;
  const usual = kind.toLowerCase() === 'sentinel' ? 26_379 : 6_379;
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || usual };
}
