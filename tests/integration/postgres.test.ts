/** PostgresStore, on a real PostgreSQL, with the clients that it takes. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { acquire, StoreError, tryAcquire } from 'dlock-js';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import createKnex from 'knex';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import { Client, Pool } from 'pg';
import postgres from 'postgres';
import { DataSource } from 'typeorm';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { randomNames } from '../support/random-names.js';
import { openSchema } from '../support/servers/postgres.js';
import { countTogether } from './many-processes.js';

const own = await openSchema();
after(() => own[Symbol.asyncDispose]());
const { pool, url: connectionString } = own;
await pool.query(schema());
const store = new PostgresStore(pool);

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

testStore({
  name: 'PostgresStore, a client of pg',
  queue: true,
  sharing: true,
  cases: 'essential',
  async create() {
    const client = new Client({ connectionString });
    await client.connect();
    const close = () => client.end();
    return { store: new PostgresStore(client), other: new PostgresStore(pool), close };
  },
});

testStore({
  name: 'PostgresStore, postgres.js',
  queue: true,
  sharing: true,
  cases: 'essential',
  create() {
    const sql = postgres(connectionString);
    const close = () => sql.end();
    return { store: new PostgresStore(sql), other: new PostgresStore(pool), close };
  },
});

testStore({
  name: 'PostgresStore, Drizzle, by its client',
  queue: true,
  sharing: true,
  cases: 'essential',
  create() {
    const db = drizzle(connectionString);
    const close = () => db.$client.end();
    return { store: new PostgresStore(db.$client), other: new PostgresStore(pool), close };
  },
});

testStore({
  name: 'PostgresStore, Kysely by a query function, with a listener',
  queue: true,
  sharing: true,
  cases: 'essential',
  create() {
    const db = new Kysely({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString }) }),
    });
    const kysely = new PostgresStore(
      (text, values) => db.executeQuery(CompiledQuery.raw(text, values)),
      { listener: () => new Client({ connectionString }) },
    );
    return { store: kysely, other: store, close: () => db.destroy() };
  },
});

testStore({
  name: 'PostgresStore, Knex by a query function',
  watch: false,
  sharing: true,
  cases: 'essential',
  create() {
    const knex = createKnex({ client: 'pg', connection: connectionString });
    const query = (text: string, values: string[]) => knex.raw(text.replace(/\$\d+/g, '?'), values);
    return { store: new PostgresStore(query), other: store, close: () => knex.destroy() };
  },
});

testStore({
  name: 'PostgresStore, TypeORM by a query function',
  watch: false,
  sharing: true,
  cases: 'essential',
  async create() {
    const source = new DataSource({ type: 'postgres', url: connectionString });
    await source.initialize();
    const typeorm = new PostgresStore((text, values) => source.query(text, values));
    return { store: typeorm, other: store, close: () => source.destroy() };
  },
});

test('postgres: 4 processes count to 200 together, no update lost, fences in order', async () => {
  await countTogether(connectionString, 4, 50);
});

describe('postgres: what is in the database', () => {
  const rowOf = async (name: string) =>
    (await pool.query(`SELECT * FROM dlock_locks WHERE name = $1`, [`dlock:${name}`])).rows[0];

  test('a row says who holds the lock until when; once given back, only the fence is left', async () => {
    const lease = await tryAcquire(store, 'plain', { ttl: 60_000 });
    const held = await rowOf('plain');
    assert.equal(held.token, lease?.token);
    assert.equal(Number(held.fence), lease?.fence);
    const life = held.ends.getTime() - Date.now();
    assert.ok(life > 50_000 && life < 70_000, `${life} ms`);
    assert.equal(await lease?.release(), true);
    const { token, fence, holders, queue } = await rowOf('plain');
    assert.deepEqual([token, holders, queue], ['', null, null]);
    assert.equal(Number(fence), lease?.fence);
  });

  test('an operation is one statement', async (t) => {
    const counted = new Pool({ connectionString });
    t.after(() => counted.end());
    const lone = new PostgresStore(counted);
    await (await tryAcquire(lone, 'counted'))?.release();
    await lone.settled();
    const queries = t.mock.method(counted, 'query');
    const lease = await tryAcquire(lone, 'counted');
    await lease?.extend();
    assert.equal(await tryAcquire(lone, 'counted'), null);
    assert.equal(await lease?.release(), true);
    assert.equal(queries.mock.callCount(), 4);
    const reader = await tryAcquire(lone, 'counted shared', { limit: 2 });
    assert.equal(await reader?.release(), true);
    assert.equal(queries.mock.callCount(), 6);
  });

  test('no token is in the queue, and nothing stays behind when nobody waits', async () => {
    await store.acquire('left', thief, 60_000);
    const tokens: string[] = [];
    const spied = new PostgresStore(pool);
    const ask = spied.acquire.bind(spied);
    spied.acquire = (name, token, ...rest) => {
      tokens.push(token);
      return ask(name, token, ...rest);
    };
    const controller = new AbortController();
    const wait = acquire(spied, 'left', { signal: controller.signal });
    await eventually('it has a place', async () => (await rowOf('left')).queue?.length === 1);
    const row = JSON.stringify(await rowOf('left'));
    assert.ok(tokens.length > 0 && tokens.every((token) => !row.includes(token)));
    controller.abort();
    await assert.rejects(wait);
    await eventually('its place is given up', async () => (await rowOf('left')).queue === null);
    await store.release('left', thief);
  });

  test('2000 names of random bytes are 2000 locks, whatever people are shown of them', async () => {
    const table = `t_${randomUUID().replaceAll('-', '')}`;
    await pool.query(schema(table));
    const many = new PostgresStore(pool, { table, timeout: 60_000 });
    const names = randomNames(2_000);
    const leases = await Promise.all(names.map((name) => tryAcquire(many, name)));
    assert.ok(leases.every((lease) => lease !== null));
    const { rows } = await pool.query(`SELECT count(*)::int AS keys FROM ${table}`);
    assert.equal(rows[0].keys, 2_000);
    assert.ok((await Promise.all(leases.map((lease) => lease?.release()))).every(Boolean));
  });

  test('the prefix isolates, and so does the table, in another schema too', async () => {
    const [other] = [`s_${randomUUID().replaceAll('-', '')}`];
    await pool.query(`CREATE SCHEMA ${other}`);
    await pool.query(schema(`${other}.Locks`));
    const stores = [
      new PostgresStore(pool, { prefix: 'ours:' }),
      new PostgresStore(pool, { prefix: '' }),
      new PostgresStore(pool, { table: `${other}.Locks` }),
    ];
    for (const each of stores) assert.ok(await tryAcquire(each, 'isolated', { ttl: 60_000 }));
    for (const each of stores) assert.equal(await tryAcquire(each, 'isolated'), null);
    await pool.query(
      `UPDATE ${other}."Locks" SET ends = ends - interval '25 hours', awaited = '-infinity'`,
    );
    const sweeping = new PostgresStore(pool, { table: `${other}.Locks` });
    await sweeping.release('swept by', thief);
    await sweeping.settled();
    const { rows } = await pool.query(`SELECT count(*) FROM ${other}."Locks"`);
    assert.equal(rows[0].count, '0', 'it is swept, too');
    await pool.query(`DROP SCHEMA ${other} CASCADE`);
  });

  test('rows that nobody has needed for a day are swept, and no fence goes back', async () => {
    const [swept, held] = [await tryAcquire(store, 'swept'), await tryAcquire(store, 'in use')];
    await swept?.release();
    await pool.query(`
      UPDATE dlock_locks SET ends = ends - interval '25 hours', awaited = '-infinity'
      WHERE name = 'dlock:swept'`);
    const sweeping = new PostgresStore(pool);
    await sweeping.release('swept by', thief);
    await sweeping.settled();
    assert.equal(await rowOf('swept'), undefined);
    assert.equal((await rowOf('in use')).token, held?.token);
    assert.equal(await held?.release(), true);
    const again = await tryAcquire(store, 'swept');
    assert.ok(Number(again?.fence) > Number(swept?.fence));
    assert.equal(await again?.release(), true);
  });

  test('without its table, the error says how to make it', async () => {
    const lost = new PostgresStore(pool, { table: 'nowhere' });
    await assert.rejects(tryAcquire(lost, 'import'), (error: StoreError) => {
      assert.ok(error instanceof StoreError);
      assert.ok(error.message.includes(schema('nowhere')), error.message);
      assert.equal((error.cause as { code?: string }).code, '42P01');
      return true;
    });
  });
});

describe('postgres: many connections at once', () => {
  const stores = Array.from({ length: 20 }, () => {
    const one = new Pool({ connectionString, max: 1 });
    after(() => one.end());
    return new PostgresStore(one);
  });

  const states: Record<string, (name: string) => Promise<unknown>> = {
    fresh: async () => {},
    released: async (name) => {
      await store.acquire(name, thief, 60_000);
      await store.release(name, thief);
    },
    lapsed: async (name) => {
      await store.acquire(name, thief, 1);
      await eventually('it has lapsed', async () => !(await store.extend(name, thief, 1)));
    },
  };

  for (const [state, prepare] of Object.entries(states)) {
    test(`of 20 first acquires of a ${state} lock one wins, and of those with a limit as many`, async () => {
      for (let round = 0; round < 10; round++) {
        for (const limit of [1, 3]) {
          const name = `${state} ${limit} ${round}`;
          await prepare(name);
          const attempts = await Promise.all(
            stores.map((each, index) => {
              const token = `${index}`.padStart(32, '0');
              if (limit === 1) return each.acquire(name, token, 60_000);
              return each.acquireShared(name, token, 60_000, limit);
            }),
          );
          assert.equal(attempts.filter(({ granted }) => granted).length, limit, name);
        }
      }
    });
  }
});
