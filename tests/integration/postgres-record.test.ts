/** A run of `once` that records itself in the transaction of its results, in PostgreSQL. */
import { after } from 'node:test';
import { schema } from 'dlock-js/postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import knex from 'knex';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import { Pool } from 'pg';
import postgres from 'postgres';
import { DataSource } from 'typeorm';
import { createResults, openResults } from '../support/results.js';
import { openSchema } from '../support/servers/postgres.js';
import { type Transactions, testRecording, testTransactions } from './recording.js';

const { pool, url, ...database } = await openSchema();
after(() => database[Symbol.asyncDispose]());
await pool.query(schema());
await pool.query(createResults);
const results = await openResults(url);
after(() => results.close());
const { store } = results;

testRecording({
  url,
  results,
  ask: async (statement) => (await pool.query(statement)).rows,
  losing: `UPDATE dlock_locks SET token = ''`,
});

const clients: Transactions = {
  async 'postgres.js'(work) {
    const sql = postgres(url);
    await sql.begin((transaction) =>
      work(async (text, values) => transaction.unsafe(text, values as never)),
    );
    await sql.end();
  },
  async Knex(work) {
    const builder = knex({ client: 'pg', connection: url });
    await builder.transaction((trx) =>
      work((text, values) => trx.raw(text.replace(/\$\d+/g, '?'), values as never)),
    );
    await builder.destroy();
  },
  async Kysely(work) {
    const dialect = new PostgresDialect({ pool: new Pool({ connectionString: url }) });
    const builder = new Kysely<unknown>({ dialect });
    await builder
      .transaction()
      .execute((trx) => work((text, values) => trx.executeQuery(CompiledQuery.raw(text, values))));
    await builder.destroy();
  },
  async 'Drizzle, over the client of its transaction'(work) {
    const client = await pool.connect();
    await drizzle({ client }).transaction(() => work((text, values) => client.query(text, values)));
    client.release();
  },
  async TypeORM(work) {
    const source = await new DataSource({ type: 'postgres', url }).initialize();
    await source.transaction((manager) => work((text, values) => manager.query(text, values)));
    await source.destroy();
  },
};

testTransactions(store, clients);
