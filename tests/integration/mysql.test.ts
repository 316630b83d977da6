/** MysqlStore through its clients: mysql2, mariadb, and query builders. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tryAcquire } from 'dlock-js';
import { MysqlStore } from 'dlock-js/mysql';
import { testStore } from 'dlock-js/testing';
import { drizzle } from 'drizzle-orm/mysql2';
import { sql } from 'drizzle-orm/sql';
import knex from 'knex';
import { CompiledQuery, Kysely, MysqlDialect } from 'kysely';
import * as mariadb from 'mariadb';
import { createPool } from 'mysql2';
import { openDatabase } from '../support/mysql.js';
import { countTogether } from './many-processes.js';

const database = await openDatabase();
after(() => database[Symbol.asyncDispose]());
const { url, pool } = database;

testStore({
  name: 'MysqlStore, mysql2',
  watch: false,
  create: () => ({ store: new MysqlStore(pool), other: new MysqlStore(database.connect()) }),
});

const { hostname: host, port, pathname } = new URL(url);
const address = { host, port: Number(port), user: 'root', database: pathname.slice(1) };

testStore({
  name: 'MysqlStore, mariadb',
  watch: false,
  cases: 'essential',
  create() {
    const client = mariadb.createPool(address);
    return {
      store: new MysqlStore(client),
      other: new MysqlStore(pool),
      close: () => client.end(),
    };
  },
});

testStore({
  name: 'MysqlStore, Knex',
  watch: false,
  cases: 'essential',
  create() {
    const builder = knex({ client: 'mysql2', connection: address });
    const store = new MysqlStore((text, values) => builder.raw(text, values as never));
    return { store, other: new MysqlStore(pool), close: () => builder.destroy() };
  },
});

testStore({
  name: 'MysqlStore, one connection',
  watch: false,
  cases: 'essential',
  create: async () => ({ store: new MysqlStore(await pool.getConnection()) }),
});

/** Each gives its answers in a form of its own. */
const builders = {
  async Kysely() {
    const dialect = new MysqlDialect({ pool: createPool(url) });
    const builder = new Kysely<unknown>({ dialect });
    const store = new MysqlStore((text, values) =>
      builder.executeQuery(CompiledQuery.raw(text, values)),
    );
    return { store, close: () => builder.destroy() };
  },
  async Drizzle() {
    const client = database.connect();
    const builder = drizzle({ client });
    const store = new MysqlStore((text, values) => {
      const [first, ...rest] = text.split('?').map((part) => sql.raw(part));
      const chunks = rest.flatMap((part, index) => [sql`${values[index]}`, part]);
      return builder.execute(sql.join([first ?? sql.empty(), ...chunks]));
    });
    return { store, close: async () => {} };
  },
};

for (const [name, open] of Object.entries(builders)) {
  test(`mysql: ${name} takes, refuses, extends and gives back`, async () => {
    const { store, close } = await open();
    const lease = await tryAcquire(store, name);
    assert.ok(lease?.fence);
    assert.equal(await tryAcquire(new MysqlStore(pool), name), null);
    assert.equal(await tryAcquire(store, name), null);
    await lease.extend();
    assert.equal(await store.extend(name, 'nobody', 1_000), false);
    assert.equal(await store.release(name, 'nobody'), false);
    assert.equal(await lease.release(), true);
    await close();
  });
}

test('mysql: 4 processes count to 200 together, no update lost, fences in order', async () => {
  await countTogether(url, 4, 50);
});
