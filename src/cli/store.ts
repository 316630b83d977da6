/** The store, opened by its URL; only the client that it needs is loaded. */
import { lstatSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LockStore } from '../store.js';
import { FileStore } from '../stores/file.js';
import { MemcacheStore } from '../stores/memcache.js';
import { QuorumStore } from '../stores/quorum.js';
import { RedisStore } from '../stores/redis.js';
import { UsageError } from './arguments.js';

/** The store cannot be used; nothing was asked of it. */
export class UnusableStore extends Error {}

/** How long a server may take to accept a connection, in milliseconds. */
const connectTimeout = 5_000;

/**
 * @param url where the store is; several, with commas between them, are a quorum; undefined: the
 * directory of the user.
 * @throws UsageError, never with a password in it, and UnusableStore.
 */
export async function openStore(url: string | undefined): Promise<LockStore> {
  if (url === undefined) return new FileStore(userDirectory());
  const urls = urlsOf(url);
  return urls.length > 1 ? openQuorum(urls) : openOne(url);
}

async function openOne(url: string): Promise<LockStore> {
  if (isTopology(url)) return openTopology(url);
  const parsed = parseUrl(url);
  switch (parsed.protocol) {
    case 'file:':
      return new FileStore(directoryOf(url, parsed));
    case 'redis:':
    case 'rediss:':
      checkRedisUrl(parsed);
      return openRedis(url);
    case 'memcache:':
      return openMemcache(parsed);
    default:
      throw new UsageError(
        'the URL of the store must begin with redis://, rediss://, redis+cluster://, redis+sentinel://, memcache:// or file:',
      );
  }
}

/** One store that is named twice would have two votes. */
async function openQuorum(urls: string[]): Promise<LockStore> {
  if (new Set(urls.map(placeOf)).size < urls.length) {
    throw new UsageError('the list of stores names one of them twice');
  }
  return new QuorumStore(await Promise.all(urls.map(openMember)));
}

/** The URL without its credentials. */
function placeOf(url: string): string {
  if (isTopology(url)) return url.replace(/\/\/.*@/, '//');
  const { protocol, host, pathname } = parseUrl(url);
  return protocol + host + pathname;
}

/** One that cannot be reached now is connected to when it can be, and stops nobody. */
async function openMember(url: string): Promise<LockStore> {
  if (!/^rediss?:/i.test(url)) return openOne(url);
  checkRedisUrl(parseUrl(url));
  return whenAsked(() => openRedis(url));
}

/** Opened by the first request, or by the next if that failed. */
function whenAsked(open: () => Promise<RedisStore>): LockStore {
  let opening: Promise<RedisStore> | undefined;
  const opened = () => {
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    acquire: async (...request) => (await opened()).acquire(...request),
    extend: async (...request) => (await opened()).extend(...request),
    release: async (...request) => (await opened()).release(...request),
    watch: async (...request) => (await opened()).watch(...request),
  };
}

/**
 * One directory for all that a user runs, in a shell, from cron or as a service. So it must not
 * depend on the environment (HOME, TMPDIR, XDG_RUNTIME_DIR), only on the user. Who has no home of
 * his own, as users of services often have not, gets a directory in /tmp.
 */
export function userDirectory(): string {
  const user = process.getuid?.();
  try {
    const { homedir } = userInfo();
    if (user === undefined || lstatSync(homedir).uid === user) {
      return join(homedir, '.local', 'state', 'dlock');
    }
  } catch {
    // There is no such user on this machine, or no such home.
  }
  return `/tmp/dlock-${user}`;
}

/** What must appear in no message: the URLs, the passwords in them, and both as they are written. */
export function secretsOf(url: string): string[] {
  return [url, ...urlsOf(url)].flatMap(secretsOfOne);
}

function secretsOfOne(url: string): string[] {
  const [, credentials] = /^[a-z+]*:\/*(.*)@/is.exec(url) ?? [];
  if (!credentials) return [];
  const password = credentials.slice(credentials.indexOf(':') + 1);
  // A short one may be part of any word; alone, it gives nothing away.
  const passwords = [password, decoded(password)].filter(({ length }) => length > 3);
  return [url, `${credentials}@`, ...passwords];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A comma parts two URLs only before a scheme: passwords and lists of hosts may hold commas too. */
function urlsOf(list: string): string[] {
  return list.split(/,\s*(?=[a-z][a-z+]*:\/\/|file:\/)/i);
}

/** These name several hosts, which a URL cannot. */
function isTopology(url: string): boolean {
  return /^redis\+/i.test(url);
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url)) {
    throw new UsageError(
      'the URL of the store is none; if it holds a password, is that percent-encoded?',
    );
  }
  const parsed = new URL(url);
  // The beginning of the password would be taken for the host, and shown.
  const { protocol, pathname, search, hash } = parsed;
  if (protocol !== 'file:' && (search || hash || pathname.includes('@'))) {
    throw new UsageError(
      'the URL of the store has a @, # or ? behind its host; in a password it must be percent-encoded',
    );
  }
  return parsed;
}

function directoryOf(url: string, parsed: URL): string {
  const whole = /^file:\/(?!\/[^/]|\/?$)/i.test(url) || /^file:\/\/(localhost)?\/./i.test(url);
  if (!whole || parsed.search || parsed.hash) {
    throw new UsageError(
      'the URL of a directory names its whole path, percent-encoded, as in file:///var/lib/dlock',
    );
  }
  try {
    return fileURLToPath(parsed);
  } catch (error) {
    throw new UsageError(`the URL of the store is none: ${(error as Error).message}`);
  }
}

function checkRedisUrl({ hostname, pathname }: URL): void {
  if (!hostname || !/^\/?\d*$/.test(pathname)) {
    throw new UsageError(
      'the URL of a Redis server is redis://[[user]:password@]host[:port][/database]',
    );
  }
}

/** The first connection fails at once, so that somebody is told; later ones are made again. */
async function openRedis(url: string): Promise<RedisStore> {
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
async function openTopology(url: string): Promise<LockStore> {
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

/** This client connects with its first request. */
async function openMemcache(parsed: URL): Promise<LockStore> {
  const { hostname, port, pathname, username, password } = parsed;
  if (!hostname || username || password || pathname.length > 1) {
    throw new UsageError('the URL of a Memcached server is memcache://host[:port]');
  }
  const { MemcacheClient } = await load('memcache-client', () => import('memcache-client'));
  const server = `${hostname}:${port || 11211}`;
  return new MemcacheStore(new MemcacheClient({ server, connectTimeout }));
}

async function load<T>(name: string, imported: () => Promise<T>): Promise<T> {
  try {
    return await imported();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UnusableStore(`it needs the package ${name}: npm install ${name}`);
  }
}

/** Failed attempts at several addresses of one host come as an error without a message. */
function reasonOf(error: unknown): string {
  const { message, cause, errors } = error as Error & { errors?: Error[] };
  return (
    message ||
    (errors?.map((each) => each.message).join('; ') ?? '') ||
    (cause instanceof Error ? reasonOf(cause) : String(error))
  );
}
