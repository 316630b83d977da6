/**
 * The bare clients, with the least that anybody can send for a lock that only its owner gives back:
 * the limit that no library on the same client can beat. For waiting, a line within the process, in
 * which the release and the next attempt leave together. Nothing is renewed, nothing told.
 */
import { randomUUID } from 'node:crypto';
import { Mutex } from 'async-mutex';
import { openIoredis, openMemcached, openNodeRedis } from './clients.js';
import { type Contestant, type Session, ttl } from './contestant.js';

/** Compare and delete, as redis.io gives it under `SET`. */
const compareAndDelete = `if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) end return 0`;

const reason = 'a bare client';
const key = (name: string) => `raw:${name}`;

const common = {
  settings:
    'SET NX PX and EVAL (compare and delete); a random token for each cycle; waiting: async-mutex before it, release and next SET leave together',
  lacks: {
    processes: reason,
    renewal: reason,
    telling: reason,
    sharing: reason,
    reading: reason,
  },
  key,
};

export const raw: readonly Contestant[] = [
  {
    ...common,
    name: 'raw, node-redis',
    settings: `${common.settings}; the client's own time limit for commands, as by default`,
    packages: ['redis'],
    server: 'redis',
    async open({ redis }) {
      const client = await openNodeRedis(redis);
      const options = { condition: 'NX', expiration: { type: 'PX', value: ttl } } as const;
      return session({
        take: (key, token) => client.set(key, token, options),
        async giveBack(key, token) {
          return { answered: client.eval(compareAndDelete, { keys: [key], arguments: [token] }) };
        },
        close: () => client.close(),
      });
    },
  },
  {
    ...common,
    name: 'raw, ioredis',
    settings: 'SET NX PX and EVAL (compare and delete); a random token for each cycle',
    lacks: { ...common.lacks, waiting: 'as over node-redis' },
    packages: ['ioredis'],
    server: 'redis',
    async open({ redis }) {
      const client = await openIoredis(redis);
      return session({
        take: (key, token) => client.set(key, token, 'PX', ttl, 'NX'),
        async giveBack(key, token) {
          return { answered: client.eval(compareAndDelete, 1, key, token) };
        },
        close: () => client.quit(),
      });
    },
  },
  {
    ...common,
    settings:
      'add, gets, and cas with lifetime -1; a random token for each cycle; waiting: async-mutex before it, cas and next add leave together',
    name: 'raw, memcache-client',
    packages: ['memcache-client'],
    server: 'memcached',
    async open({ memcached }) {
      const client = await openMemcached(memcached);
      return session({
        take: (key, token) => client.add(key, token, { lifetime: ttl / 1_000 }),
        async giveBack(key, token) {
          const { value, casUniq } = await client.gets<string>(key);
          if (value !== token) throw new Error(`${key} is taken`);
          return { answered: client.cas(key, token, { lifetime: -1, casUniq }) };
        },
        close: () => client.shutdown(),
      });
    },
  },
];

interface Requests {
  /** Null, or a rejection: somebody else has it. */
  take(key: string, token: string): Promise<unknown>;
  /** Resolves when the last request has left; `answered` resolves when its answer is there. */
  giveBack(key: string, token: string): Promise<{ answered: Promise<unknown> }>;
  close(): unknown;
}

function session({ take, giveBack, close }: Requests): Session {
  const lines = new Map<string, Mutex>();
  return {
    async cycle(name) {
      const token = randomUUID();
      if ((await take(key(name), token)) === null) throw new Error(`${name} is taken`);
      await (await giveBack(key(name), token)).answered;
    },
    async section(name, body) {
      const line = lines.get(name) ?? new Mutex();
      lines.set(name, line);
      const token = randomUUID();
      const next = await line.acquire();
      if ((await take(key(name), token)) === null) throw new Error(`${name} is taken`);
      await body();
      const { answered } = await giveBack(key(name), token);
      next();
      await answered;
    },
    hold: () => Promise.reject(new Error(reason)),
    async close() {
      await close();
    },
  };
}
