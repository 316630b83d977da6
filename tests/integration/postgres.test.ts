/** PostgresStore, on a real PostgreSQL, with the clients that it takes. */
import { after } from 'node:test';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { Client, Pool } from 'pg';
import postgres from 'postgres';
import { testStore } from '../../src/testing/index.js';
import { openSchema } from '../support/servers/postgres.js';

const own = await openSchema();
after(() => own[Symbol.asyncDispose]());
const { pool, url: connectionString } = own;
await pool.query(schema());

testStore({
  name: 'PostgresStore, a pool of pg',
  queue: true,
  sharing: true,
  create() {
    const other = new Pool({ connectionString });
    const close = () => other.end();
    return { store: new PostgresStore(pool), other: new PostgresStore(other), close };
  },
});
