/** The examples on a database do what they say; that of a store for PostgreSQL has a file of its own. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Pool } from 'pg';
import { refreshReport, table as reports } from '../../examples/fence-postgres.js';
import { type Migrations, migrate } from '../../examples/migrate-on-deploy.js';
import { tryAcquire } from '../../src/api/acquire.js';
import { PostgresStore } from '../../src/stores/postgres/postgres.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';
import { twoStores } from './two-stores.js';

test('a worker that lost its lease, and does not know, is refused by the row it writes to', async () => {
  await using schema = await openSchema();
  const query = (sql: string, values: unknown[]) => schema.pool.query(sql, values);
  await schema.pool.query(reports);
  const report = async () =>
    (await schema.pool.query('SELECT content FROM reports')).rows[0].content;

  const [one, two] = twoStores();
  await refreshReport(one, query, async () => 'first');
  assert.equal(await report(), 'first');

  const cutOff = altered(one, {
    ttl: 400,
    extend: async () => {
      throw new Error('the line is cut');
    },
  });
  const late = refreshReport(cutOff, query, async () => {
    await eventually('another worker writes the report', async () => {
      await refreshReport(two, query, async () => 'second');
      return (await report()) === 'second';
    });
    return 'late';
  });
  await assert.rejects(late, /A newer holder than fence \d+ was here/);
  assert.equal(await report(), 'second');
});

describe('the migrations of a deployment', { concurrency: true }, () => {
  /** Five instances of an application that start at the same moment, each with a pool of its own. */
  async function openInstances() {
    const { url, pool, ...schema } = await openSchema();
    const pools = Array.from({ length: 5 }, () => new Pool({ connectionString: url, max: 3 }));
    return {
      pool,
      /** What each ends with: `started`, or the message of its error. */
      deploy: (version: string, migrations: Migrations, wait = 60_000) =>
        Promise.all(
          pools.map((own) =>
            migrate(own, version, migrations, wait).then(
              () => 'started',
              (error: Error) => error.message,
            ),
          ),
        ),
      async [Symbol.asyncDispose]() {
        await Promise.all(pools.map((own) => own.end()));
        await schema[Symbol.asyncDispose]();
      },
    };
  }

  const orders = 'CREATE TABLE orders (amount int); SELECT pg_sleep(0.3)';
  const first = 'INSERT INTO orders VALUES (1)';
  const second = 'INSERT INTO orders VALUES (2)';
  const all = Array.from({ length: 5 }, () => 'started');

  test('run once, and all instances start when they are done', async () => {
    await using application = await openInstances();
    const { pool, deploy } = application;
    const amounts = async () =>
      (await pool.query('SELECT amount FROM orders ORDER BY amount')).rows.map(
        ({ amount }) => amount,
      );
    assert.deepEqual(await deploy('1', { orders, first }), all);
    assert.deepEqual(await amounts(), [1]);
    assert.deepEqual(await deploy('2', { orders, first, second }), all);
    assert.deepEqual(await amounts(), [1, 2]);
    // A version that is done is not looked at again; the table of the migrations would say that none is.
    await pool.query('DELETE FROM migrations');
    assert.deepEqual(await deploy('2', { orders, first, second }), all);
    const names = Object.keys({ orders, first, second });
    await pool.query('INSERT INTO migrations SELECT * FROM unnest($1::text[])', [names]);
    // One that is forgotten runs again, and finds nothing to do; so does an older one.
    await pool.query('TRUNCATE dlock_locks');
    assert.deepEqual(await deploy('2', { orders, first, second }), all);
    assert.deepEqual(await deploy('1', { orders, first }), all);
    assert.deepEqual(await amounts(), [1, 2]);
  });

  test('keep an instance from starting for as long as it waits', async () => {
    await using application = await openInstances();
    const { pool, deploy } = application;
    await deploy('1', { orders });
    await using lease = await tryAcquire(new PostgresStore(pool), 'migrations');
    assert.ok(lease);
    const [message] = await deploy('2', { orders, first }, 300);
    assert.equal(message, 'Another instance still migrates to 2, after 300 ms');
    const { rowCount } = await pool.query('SELECT * FROM orders');
    assert.equal(rowCount, 0);
  });

  test('that fail stop each instance, undo what they did, and can be tried again', async () => {
    await using application = await openInstances();
    const { pool, deploy } = application;
    const broken = 'INSERT INTO orders VALUES (2); INSERT INTO oders VALUES (3)';
    const messages = await deploy('1', { orders, first, second: broken });
    assert.deepEqual([...new Set(messages)], ['relation "oders" does not exist']);
    assert.deepEqual(await deploy('2', { orders, first, second }), all);
    const { rows } = await pool.query('SELECT amount FROM orders ORDER BY amount');
    assert.deepEqual(rows, [{ amount: 1 }, { amount: 2 }]);
  });
});
