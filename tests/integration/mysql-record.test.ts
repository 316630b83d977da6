/** A run of `once` that records itself in the transaction of its results, in MySQL and MariaDB. */
import { after } from 'node:test';
import { drizzle } from 'drizzle-orm/mysql2';
import knex from 'knex';
import { CompiledQuery, Kysely, MysqlDialect } from 'kysely';
import * as mariadb from 'mariadb';
import { createPool } from 'mysql2';
import { openDatabase } from '../support/mysql.js';
import { createResults, openResults } from '../support/results.js';
import { type Transactions, testRecording, testTransactions } from './recording.js';

const database = await openDatabase();
after(() => database[Symbol.asyncDispose]());
const { pool, url } = database;
await pool.query(createResults);
const results = await openResults(url);
after(() => results.close());
const { store } = results;

testRecording({
  url,
  results,
  ask: async (statement) => (await pool.query(statement))[0] as Record<string, unknown>[],
  losing: 'UPDATE dlock_locks SET ends = 1',
});

const { hostname: host, port, pathname } = new URL(url);
const address = { host, port: Number(port), user: 'root', database: pathname.slice(1) };

const clients: Transactions = {
  async mariadb(work) {
    const connection = await mariadb.createConnection(address);
    await connection.beginTransaction();
    await work((text, values) => connection.query(text, values));
    await connection.commit();
    await connection.end();
  },
  async Knex(work) {
    const builder = knex({ client: 'mysql2', connection: address });
    await builder.transaction((trx) => work((text, values) => trx.raw(text, values as never)));
    await builder.destroy();
  },
  async Kysely(work) {
    const builder = new Kysely<unknown>({ dialect: new MysqlDialect({ pool: createPool(url) }) });
    await builder
      .transaction()
      .execute((trx) => work((text, values) => trx.executeQuery(CompiledQuery.raw(text, values))));
    await builder.destroy();
  },
  async 'Drizzle, over the connection of its transaction'(work) {
    const connection = await pool.getConnection();
    await drizzle({ client: connection }).transaction(() =>
      work((text, values) => connection.query(text, values)),
    );
    connection.release();
  },
};

testTransactions(store, clients);
