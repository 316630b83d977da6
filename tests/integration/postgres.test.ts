/** The example of docs/custom-store.md, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { access, stat } from 'node:fs/promises';
import { after, test } from 'node:test';
import { acquire, tryAcquire } from 'dlock-js';
import { testStore } from 'dlock-js/testing';
import { execa } from 'execa';
import { Client, Pool } from 'pg';
import { PostgresStore, table } from '../../examples/postgres-store.js';
import { eventually, thief } from '../../src/testing/fixture.js';
import { temporaryDirectory } from '../support/servers/directories.js';
import { openSchema } from '../support/servers/postgres.js';
import { built } from '../support/workers.js';
import { countTogether } from './many-processes.js';

const schema = await openSchema();
after(() => schema[Symbol.asyncDispose]());
const { pool, url: connectionString } = schema;
await pool.query(table);
const store = new PostgresStore(pool);

testStore({
  name: 'PostgresStore',
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
  name: 'PostgresStore, without a listener',
  watch: false,
  cases: 'essential',
  create: () => ({ store }),
});

test('postgres: 4 processes count to 200 together, no update lost, fences in order', async () => {
  await countTogether(connectionString, 4, 50);
});

test('postgres: rows of locks that are free may be deleted, and no fence goes back', async () => {
  const fences: number[] = [];
  for (let round = 0; round < 3; round++) {
    await using lease = await tryAcquire(store, 'swept');
    fences.push(Number(lease?.fence));
    await lease?.release();
    await pool.query(`DELETE FROM locks WHERE ends < now()`);
  }
  assert.deepEqual(
    fences,
    [...new Set(fences)].sort((a, b) => a - b),
  );
  assert.ok(Math.abs(Number(fences[0]) / 1_000 - Date.now()) < 60_000);
});

test('postgres: a listener whose connection breaks delays those who wait by seconds only', async () => {
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

test('the PostgreSQL of the tests ends, and leaves no data, with a process that is killed', async () => {
  const child = runServer();
  const [url] = await once(child.stdout, 'data');
  const client = new Client({ connectionString: String(url).trim() });
  client.on('error', () => {});
  await client.connect();
  const [{ data_directory: directory }] = (await client.query('SHOW data_directory')).rows;
  const cut = new Promise((resolve) => client.once('end', resolve));
  child.kill('SIGKILL');
  await cut;
  const isGone = () =>
    access(directory).then(
      () => false,
      ({ code }) => code === 'ENOENT',
    );
  await eventually('its data is removed', isGone);
});

const skip = process.getuid?.() !== 0 && 'only root has to start it as somebody else';

test('the PostgreSQL of the tests comes up where only root may write to TMPDIR', {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  const child = runServer({ TMPDIR: directory });
  const said = await Promise.race([once(child.stdout, 'data'), child.then(({ stderr }) => stderr)]);
  assert.match(String(said), /^postgres:/);
  child.kill('SIGTERM');
  await child;
});

/** A process of its own that starts a server, and prints its URL. */
function runServer(env: NodeJS.ProcessEnv = {}) {
  const program = `
    const { sharedPostgres } = await import('${built('servers/postgres')}');
    console.log(await sharedPostgres());
    setInterval(() => {}, 1_000);`;
  const args = ['--input-type=module', '--eval', program];
  return execa(process.execPath, args, {
    env: { DLOCK_TEST_POSTGRES_URL: '', ...env },
    reject: false,
    stdin: 'ignore',
  });
}
