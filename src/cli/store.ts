/** The store, opened by its URL; only the client that it needs is loaded. */
import { lstatSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { LockStore } from '../store.js';
import { FileStore } from '../stores/file.js';
import { MemcacheStore } from '../stores/memcache.js';
import { QuorumStore } from '../stores/quorum.js';
import type { RedisStore } from '../stores/redis.js';
import { UsageError } from './arguments.js';
import { connectTimeout, load } from './client.js';
import { openRedis, openTopology } from './redis.js';
import { checkRedisUrl, directoryOf, isTopology, parseUrl, placeOf, urlsOf } from './store-url.js';

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
