/** The store, by what the user has named; only the client that it needs is loaded. */
import type { LockStore } from '../index.js';
import { FileStore } from '../stores/file/file.js';
import { MemcacheStore } from '../stores/memcache.js';
import { QuorumStore } from '../stores/quorum/quorum.js';
import { RedisStore } from '../stores/redis/redis.js';
import { type Settings, UsageError } from './arguments.js';
import { userDirectory } from './home.js';
import { openMemcached } from './memcached.js';
import { identitiesOf, nameOf, type Place } from './place.js';
import { loadRedis, openRedis } from './redis.js';
import { placesOf } from './store-url.js';

/** A store with its time limit of one answer. */
export type OpenStore = LockStore & { readonly timeout: number };

/** What the command sets of the options that stores with keys have. */
interface KeyOptions {
  readonly prefix?: string;
}

/** A store that is named, and not opened yet. */
export interface NamedStore {
  /** Where the locks live, in words and without any password. */
  readonly description: string;
  /** @throws UnusableStore. */
  open(): Promise<OpenStore>;
}

/** @throws UsageError, never with a password in it, or UnusableStore, where there is no place for locks. */
export function storeNamedBy({ store, prefix }: Settings): NamedStore {
  const options = prefix === undefined ? {} : { prefix };
  if (store === undefined) return defaultStore(options);
  const places = placesOf(store);
  for (const place of places) checkPrefix(place, options);
  checkDistinct(places);
  const names = places.map(nameOf);
  const [only] = places;
  if (places.length === 1 && only) {
    return { description: `the store is ${names[0]}`, open: () => openPlace(only, options) };
  }
  return {
    description: `the store is a majority of ${names.join(', ')}`,
    open: async () =>
      new QuorumStore(await Promise.all(places.map((place) => openMember(place, options)))),
  };
}

/** One that is forgotten excludes on this machine only, which `-v` is to show. */
function defaultStore(options: KeyOptions): NamedStore {
  const directory = userDirectory();
  checkPrefix({ kind: 'directory', directory }, options);
  return {
    description: `no store is named; the lock is one of this machine alone, in ${directory}`,
    open: async () => new FileStore(directory),
  };
}

function checkDistinct(places: Place[]): void {
  const identities = places.flatMap(identitiesOf);
  const twice = places.find((place) =>
    identitiesOf(place).some((one) => identities.indexOf(one) !== identities.lastIndexOf(one)),
  );
  if (!twice) return;
  throw new UsageError(
    `the list of stores names one of them twice, which would have two votes: ${nameOf(twice)}`,
  );
}

const refuse = () => Promise.reject(new Error('not connected'));
/** Clients that stand for those that are yet to be connected. */
const redisStandIn = { eval: refuse, evalSha: refuse, EVAL: refuse, connect: refuse };
const memcachedStandIn = { add: refuse, gets: refuse, cas: refuse, xsend: refuse };

/** Which prefixes a store takes, its class knows; it says so before anything is connected. */
function checkPrefix({ kind }: Place, options: KeyOptions): void {
  if (options.prefix === undefined) return;
  if (kind === 'directory') {
    throw new UsageError(
      '--prefix is for Redis and Memcached; to keep locks in a directory apart, name another one',
    );
  }
  if (kind === 'memcached') new MemcacheStore(memcachedStandIn, options);
  else new RedisStore(redisStandIn, options);
}

async function openPlace(place: Place, options: KeyOptions): Promise<OpenStore> {
  if (place.kind === 'directory') return new FileStore(place.directory);
  if (place.kind === 'memcached') return openMemcached(place, options);
  return openRedis(await loadRedis(), place, options);
}

/** One that cannot be reached now is connected to when it can be, and stops nobody. */
async function openMember(place: Place, options: KeyOptions): Promise<LockStore> {
  if (place.kind === 'directory' || place.kind === 'memcached') return openPlace(place, options);
  const redis = await loadRedis();
  return whenAsked(() => openRedis(redis, place, options));
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
    ordered: true,
    acquire: async (...request) => (await opened()).acquire(...request),
    extend: async (...request) => (await opened()).extend(...request),
    release: async (...request) => (await opened()).release(...request),
    watch: async (...request) => (await opened()).watch(...request),
  };
}
