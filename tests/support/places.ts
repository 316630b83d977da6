/** Places of their own for locks on each engine, as URLs for the command. */
import { Client } from 'pg';
import { openDatabase } from './mysql.js';
import { sharedPostgres } from './servers/postgres.js';
import { sharedEtcd, sharedRedis } from './servers.js';

/** A place where nobody else keeps locks. */
export interface Somewhere extends AsyncDisposable {
  readonly url: string;
}

/** In a table that is not there yet. */
export async function onPostgres(): Promise<Somewhere> {
  const server = await sharedPostgres();
  const table = `locks_${process.pid}_${Date.now()}`;
  return {
    url: `${server}?sslmode=disable&table=${table}`,
    async [Symbol.asyncDispose]() {
      const client = new Client(server);
      await client.connect();
      await client.query(`DROP TABLE IF EXISTS ${table}`);
      await client.end();
    },
  };
}

export async function onMysql(): Promise<Somewhere> {
  const database = await openDatabase();
  return { ...database, url: `${database.url}?table=of_the_command` };
}

const lasting = (url: string): Somewhere => ({ url, [Symbol.asyncDispose]: async () => {} });

export const engines: Record<string, () => Promise<Somewhere>> = {
  PostgreSQL: onPostgres,
  MySQL: onMysql,
  etcd: async () => lasting((await sharedEtcd()).replace('http', 'etcd')),
  Valkey: async () => lasting((await sharedRedis()).replace('redis', 'valkey')),
};
