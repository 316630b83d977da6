/** This library, as built, on each of its stores. */
import { acquire, type LockStore, locked, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';
import { openIoredis, openMemcached, openNodeRedis } from './clients.js';
import type { Contestant, Session } from './contestant.js';

const common = {
  settings: 'all defaults (ttl 30 s, renewed)',
  lacks: {},
  key: (name: string) => `dlock:${name}`,
};

const prefix = 'dlock-ioredis:';

export const dlock: readonly Contestant[] = [
  {
    ...common,
    name: 'dlock-js, node-redis',
    packages: ['dlock-js', 'redis'],
    server: 'redis',
    limit: 'raw, node-redis',
    async open({ redis }) {
      const client = await openNodeRedis(redis);
      return session(new RedisStore(client), () => client.close());
    },
  },
  {
    ...common,
    name: 'dlock-js, ioredis',
    // Where all contestants hold a lock at the same time, it must not be that of the one above.
    settings: `${common.settings}; a prefix of its own`,
    key: (name) => `${prefix}${name}`,
    packages: ['dlock-js', 'ioredis'],
    server: 'redis',
    limit: 'raw, ioredis',
    async open({ redis }) {
      const client = await openIoredis(redis);
      return session(new IoredisStore(client, { prefix }), () => client.quit());
    },
  },
  {
    ...common,
    name: 'dlock-js, memcache-client',
    lacks: { sharing: 'Memcached cannot count', reading: 'Memcached cannot count' },
    packages: ['dlock-js', 'memcache-client'],
    server: 'memcached',
    limit: 'raw, memcache-client',
    async open({ memcached }) {
      const client = await openMemcached(memcached);
      return session(new MemcacheStore(client), () => client.shutdown());
    },
  },
  {
    ...common,
    name: 'dlock-js, file',
    packages: ['dlock-js'],
    server: 'file',
    async open({ directory }) {
      return session(new FileStore(directory), () => {});
    },
  },
];

export function session(store: LockStore, close: () => unknown): Session {
  return {
    async cycle(name) {
      const lease = await tryAcquire(store, name);
      if (!lease) throw new Error(`${name} is taken`);
      await lease.release();
    },
    async section(name, body) {
      await locked(store, name, body, { wait: Number.POSITIVE_INFINITY });
    },
    async place(name, limit, body) {
      await locked(store, name, body, { limit, wait: Number.POSITIVE_INFINITY });
    },
    async hold(name, ttl, onLost) {
      const lease = await acquire(store, name, { ttl });
      lease.signal.addEventListener('abort', onLost);
      return async () => {
        await lease.release();
      };
    },
    async close() {
      await close();
    },
  };
}
