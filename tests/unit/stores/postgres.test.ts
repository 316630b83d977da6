/** PostgresStore on a PostgreSQL in this process: the statements, without a server. */
import { after } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { testStore } from '../../../src/testing/index.js';

const database = await PGlite.create();
after(() => database.close());
await database.query(schema());

testStore({
  name: 'PostgresStore, PGlite',
  cases: 'essential',
  queue: true,
  sharing: true,
  create: () => ({ store: new PostgresStore(database), other: new PostgresStore(database) }),
});
