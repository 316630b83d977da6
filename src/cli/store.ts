/** The store, by what the user has named; only the client that it needs is loaded. */
import type { LockStore } from '../index.js';
import { QuorumStore } from '../stores/quorum/quorum.js';
import { type Settings, UsageError } from './arguments.js';
import { placeInDirectory } from './directory.js';
import { userDirectory } from './home.js';
import type { KeyOptions, OpenStore, Place } from './place.js';
import { placesOf } from './store-url.js';

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
  for (const place of places) place.check(options);
  checkDistinct(places);
  const names = places.map(({ name }) => name);
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
  const place = placeInDirectory(directory);
  place.check(options);
  return {
    description: `no store is named; the lock is one of this machine alone, in ${directory}`,
    open: () => openPlace(place, options),
  };
}

function checkDistinct(places: Place[]): void {
  const identities = places.flatMap((place) => place.identities());
  const twice = places.find((place) =>
    place.identities().some((one) => identities.indexOf(one) !== identities.lastIndexOf(one)),
  );
  if (!twice) return;
  throw new UsageError(
    `the list of stores names one of them twice, which would have two votes: ${twice.name}`,
  );
}

async function openPlace(place: Place, options: KeyOptions): Promise<OpenStore> {
  const open = await place.load();
  return open(options);
}

/** One that cannot be reached now is connected to when it can be, and stops nobody. */
async function openMember(place: Place, options: KeyOptions): Promise<LockStore> {
  const open = await place.load();
  return place.connects ? whenAsked(() => open(options), place) : open(options);
}

/** Opened by the first request, or by the next if that failed. */
function whenAsked(open: () => Promise<OpenStore>, { shares }: Place): LockStore {
  let opening: Promise<OpenStore> | undefined;
  const opened = () => {
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const acquireShared: LockStore['acquireShared'] = async (...request) => {
    const store = await opened();
    if (!store.acquireShared) throw new TypeError('its locks cannot be shared');
    return store.acquireShared(...request);
  };
  return {
    acquire: async (...request) => (await opened()).acquire(...request),
    ...(shares && { acquireShared }),
    extend: async (...request) => (await opened()).extend(...request),
    release: async (...request) => (await opened()).release(...request),
    async watch(...request) {
      const store = await opened();
      if (!store.watch) throw new TypeError('it wakes nobody');
      return store.watch(...request);
    },
    // One that cannot be opened has nothing to end.
    settled: async () => (await opening?.catch(() => undefined))?.settled?.(),
  };
}
