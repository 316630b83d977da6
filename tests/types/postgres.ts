/** Holds the client types of PostgresStore against the real clients: the compiler is the test. */
import { PGlite } from '@electric-sql/pglite';
import { PostgresStore } from 'dlock-js/postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Client, Pool, type PoolClient } from 'pg';
import postgres from 'postgres';
import { createClient } from 'redis';

export function clientsFit(client: PoolClient) {
  new PostgresStore(new Pool());
  new PostgresStore(new Client());
  new PostgresStore(client);
  new PostgresStore(postgres());
  new PostgresStore(postgres({ types: { bigint: postgres.BigInt } }));
  new PostgresStore(drizzle('postgres://localhost').$client);
  new PostgresStore(new PGlite());
  new PostgresStore(async (_text, _values) => [], { listener: () => new Client() });
  new PostgresStore(async (_text: string, _values: unknown[]) => ({ rows: [{}] }));
}

export function othersDoNot() {
  // @ts-expect-error a client of Redis
  new PostgresStore(createClient());
  // @ts-expect-error an address
  new PostgresStore('postgres://localhost');
  // @ts-expect-error no client
  new PostgresStore();
  // @ts-expect-error a function that answers a number
  new PostgresStore(async () => 1);
}
