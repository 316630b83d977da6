/** The example of docs/custom-store.md, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { acquire, tryAcquire } from 'dlock-js';
import { testStore } from 'dlock-js/testing';
import { Client, Pool } from 'pg';
import { PostgresStore, table } from '../../examples/postgres-store.js';
import { eventually, thief } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';

const schema = await openSchema();
after(() => schema[Symbol.asyncDispose]());
const { pool, url: connectionString } = schema;
await pool.query(table);
const store = new PostgresStore(pool);

testStore({
  name: 'PostgresStore of the example',
  async create() {
    const listener = new Client({ connectionString });
    await listener.connect();
    const second = new Pool({ connectionString });
    const close = async () => {
      await listener.end();
      await second.end();
    };
    return { store: new PostgresStore(pool, listener), other: new PostgresStore(second), close };
  },
});

testStore({
  name: 'PostgresStore of the example, without a listener',
  watch: false,
  cases: 'essential',
  create: () => ({ store }),
});

test('the example: rows of locks that are free may be deleted, and no fence goes back', async () => {
  const fences: number[] = [];
  for (let round = 0; round < 3; round++) {
    const lease = await tryAcquire(store, 'swept');
    fences.push(Number(lease?.fence));
    await lease?.release();
    await pool.query(`DELETE FROM locks WHERE token = '' OR ends < now()`);
  }
  assert.deepEqual(
    fences,
    [...new Set(fences)].sort((a, b) => a - b),
  );
});

test('the example: a listener whose connection breaks delays those who wait by seconds only', async () => {
  const listener = new Client({ connectionString, application_name: 'to be cut' });
  listener.on('error', () => {});
  await listener.connect();
  const woken = new PostgresStore(pool, listener);
  await store.acquire('cut', thief, 60_000);
  const waiting = acquire(woken, 'cut', { wait: 30_000 });
  const cut = new Promise((resolve) => listener.once('end', resolve));
  await eventually('it listens, and is cut off', async () => {
    const { rowCount } = await pool.query(`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE query = 'LISTEN locks' AND application_name = 'to be cut'`);
    return rowCount === 1;
  });
  await cut;
  await store.release('cut', thief);
  assert.equal(await (await waiting).release(), true);
});
