/** The clients that stores are made of, recognised by what no other client has. */
import { shown } from '../base/shown.js';

/** The store that takes the clients of a library. */
const stores = {
  redis: 'RedisStore',
  ioredis: 'IoredisStore',
  '@valkey/valkey-glide': 'GlideStore',
  'memcache-client': 'MemcacheStore',
  'mysql2/promise or mariadb': 'MysqlStore',
  pg: 'PostgresStore',
  postgres: 'PostgresStore',
  pglite: 'PostgresStore',
};
export type Library = keyof typeof stores;

/**
 * Other clients have methods of the same names, which take other arguments or answer otherwise: a
 * wrong one would fail at the first lock, if it fails.
 *
 * @throws TypeError unless `client` is one of `library`; it names the store that fits.
 */
export function checkClient(library: Library, client: unknown): void {
  const found = libraryOf(client);
  if (found === library) return;
  const given = clientShown(client);
  const fitting = stores[found as Library];
  const hint = fitting ? `, which ${fitting} takes` : '';
  throw new TypeError(`${stores[library]} needs a client of ${library}, not ${given}${hint}`);
}

/** What was given for a client, as messages show it. */
export function clientShown(client: unknown): string {
  if (client instanceof Promise) return 'a promise of one: await it first';
  const library = libraryOf(client);
  return library ? `a client of ${library}` : shown(client);
}

/** The library of a client, or what it is instead; undefined: unknown. */
export function libraryOf(client: unknown): string | undefined {
  const marks = Object(client) as Partial<Record<string, unknown>>;
  const has = (method: string) => typeof marks[method] === 'function';
  if (has('EVAL')) {
    // Node-redis has each command in capitals as well. These two answer elsewhere than in a promise.
    const answersElsewhere = !has('connect') || Object(marks.options).legacyMode === true;
    return answersElsewhere ? 'redis in legacy mode, or a transaction' : 'redis';
  }
  if (has('customCommand') && has('invokeScript')) return '@valkey/valkey-glide';
  if (has('eval') && typeof marks.status === 'string') return 'ioredis';
  if (has('query') && has('execute')) return libraryOfMysql(marks, has);
  if (has('xsend') && has('gets')) return 'memcache-client';
  return libraryOfSql(marks, has);
}

function libraryOfSql(
  marks: Partial<Record<string, unknown>>,
  has: (method: string) => boolean,
): string | undefined {
  if (has('unsafe')) return 'postgres';
  if (has('raw') && has('queryBuilder')) return 'knex';
  if (!has('query')) return undefined;
  if (has('exec') && marks.waitReady) return 'pglite';
  // A pool, and a client.
  return (has('Client') && has('connect')) || marks.connectionParameters ? 'pg' : undefined;
}

function libraryOfMysql(
  marks: Partial<Record<string, unknown>>,
  has: (method: string) => boolean,
): string {
  if (has('promise')) return 'mysql2 that calls back; pass what its .promise() gives';
  // The name of the class is all that tells them apart.
  if (marks.constructor?.name.endsWith('Callback')) {
    return 'mariadb/callback; import mariadb itself';
  }
  return has('of') || !has('end') ? 'a cluster of servers' : 'mysql2/promise or mariadb';
}
