/** The libraries that people come from, each with the same few calls, so that one test asks all of them. */
import { createRequire } from 'node:module';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { Mutex, RedlockMutex } from 'redis-semaphore';

/** A lock as another library holds it; nothing renews it. */
export interface OtherLease {
  /** What the key holds. */
  readonly value: string;
  /** Whether the server extended it, to another `ttl` milliseconds, whatever the library's clock says. */
  extend(ttl: number): Promise<boolean>;
  /** Whether the server freed it, where the library says so. */
  release(): Promise<unknown>;
}

export interface OtherLibrary {
  /** The prefix of our store with which its keys are ours. */
  readonly prefix: string;
  /** Tries once to take a lock on the servers of all clients; null: refused. */
  tryLock(clients: IoredisClient[], name: string, ttl: number): Promise<OtherLease | null>;
  /** Takes the lock, asking for it every few milliseconds until it is granted. */
  lock(clients: IoredisClient[], name: string, ttl: number): Promise<OtherLease>;
}

/** What all of them need: each works with ioredis alone. */
export type IoredisClient = Redis;

/** A client of ioredis in either version, which ends with its block. */
export function connectIoredis(url: string, version: '5' | '6' = '6') {
  // A server that is down costs its vote, and no time. The commands that are used are the same in both.
  const options = { maxRetriesPerRequest: 0 };
  const client =
    version === '6' ? new Redis(url, options) : (new Redis5(url, options) as unknown as Redis);
  client.on('error', () => {});
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.disconnect() });
}

/** A lock of redlock, of whichever version, as far as it is used here. */
interface RedlockLock {
  readonly value: string;
  /** Its own idea of when the lock ends; it asks no server beyond that. */
  readonly expiration: number;
}

interface Redlock {
  acquire(resources: string[], ttl: number): Promise<RedlockLock>;
  extend(lock: RedlockLock, ttl: number): Promise<unknown>;
  release(lock: RedlockLock): Promise<unknown>;
}

interface RedlockOptions {
  readonly retryCount: number;
  readonly retryDelay?: number;
  readonly retryJitter?: number;
}

type RedlockClass = new (clients: IoredisClient[], options: RedlockOptions) => Redlock;

const patient = { retryCount: -1, retryDelay: 20, retryJitter: 10 };

function redlock(Redlock: RedlockClass): OtherLibrary {
  const take = async (
    clients: IoredisClient[],
    name: string,
    ttl: number,
    options: RedlockOptions,
  ) => {
    const lock = await new Redlock(clients, options).acquire([name], ttl);
    // It would try an extension that was refused again and again.
    const once = new Redlock(clients, { retryCount: 0 });
    return {
      value: lock.value,
      extend(ttl: number) {
        // So that the server decides, and not the clock of the library.
        const late = Object.assign(Object.create(lock), { expiration: Infinity });
        return once.extend(late, ttl).then(() => true, isRefusal);
      },
      release: () => once.release(lock).then(() => true, isRefusal),
    };
  };
  return {
    prefix: '',
    tryLock: (clients, name, ttl) =>
      take(clients, name, ttl, { retryCount: 0 }).catch((error) => isRefusal(error) || null),
    lock: (clients, name, ttl) => take(clients, name, ttl, patient),
  };
}

/** False, for the errors by which redlock says that a majority refused; any other is thrown on. */
function isRefusal(error: Error): false {
  if (['LockError', 'ExecutionError'].includes(error.name)) return false;
  throw error;
}

function mutexes(
  create: (clients: IoredisClient[], ...rest: [string, MutexOptions]) => Mutex | RedlockMutex,
): OtherLibrary {
  const take = async (clients: IoredisClient[], name: string, ttl: number, patience: object) => {
    const options = { lockTimeout: ttl, refreshInterval: 0, ...patience };
    const mutex = create(clients, name, options);
    if (!(await mutex.tryAcquire())) return null;
    return {
      value: mutex.identifier,
      extend: (lockTimeout: number) =>
        create(clients, name, {
          lockTimeout,
          refreshInterval: 0,
          identifier: mutex.identifier,
          acquiredExternally: true,
        }).tryAcquire(),
      release: () => mutex.release(),
    };
  };
  return {
    prefix: 'mutex:',
    tryLock: (clients, name, ttl) => take(clients, name, ttl, { acquireAttemptsLimit: 1 }),
    async lock(clients, name, ttl) {
      const lease = await take(clients, name, ttl, { acquireTimeout: 60_000 });
      if (!lease) throw new Error('refused for a minute');
      return lease;
    },
  };
}

type MutexOptions = ConstructorParameters<typeof Mutex>[2];

const require = createRequire(import.meta.url);

export const Redlock4: RedlockClass = require('redlock');
const Redlock5: RedlockClass = require('redlock5').default;

/** redlock, for one server, and for several that know nothing of each other. */
const redlocks: Record<string, OtherLibrary> = {
  'redlock 4': redlock(Redlock4),
  'redlock 5 beta': redlock(Redlock5),
};

export const onOneServer: Record<string, OtherLibrary> = {
  ...redlocks,
  'redis-semaphore, Mutex': mutexes(([client], name, options) => {
    return new Mutex(client as Redis, name, options);
  }),
};

export const onSeveralServers: Record<string, OtherLibrary> = {
  ...redlocks,
  'redis-semaphore, RedlockMutex': mutexes((clients, name, options) => {
    return new RedlockMutex(clients, name, options);
  }),
};
