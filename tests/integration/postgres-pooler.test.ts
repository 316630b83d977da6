/** PostgresStore behind PgBouncer, which takes another connection for each transaction. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { acquire } from 'dlock-js';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { Client, Pool } from 'pg';
import postgres from 'postgres';
import { eventually, thief } from '../../src/testing/fixture.js';
import { startPgBouncer } from '../support/servers/pgbouncer.js';
import { startPostgres } from '../support/servers/postgres.js';
import { ended, startWorker } from '../support/workers.js';

interface Section {
  readonly fence: number;
  readonly begin: number;
  readonly end: number;
}

describe('postgres behind PgBouncer, in transaction mode', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let bouncer: Awaited<ReturnType<typeof startPgBouncer>>;
  let pool: Pool;
  let directPool: Pool;
  let direct: PostgresStore;

  before(async () => {
    server = await startPostgres();
    bouncer = await startPgBouncer(server.port);
    directPool = new Pool({ connectionString: server.url });
    directPool.on('error', () => {});
    pool = new Pool({ connectionString: bouncer.url });
    pool.on('error', () => {});
    direct = new PostgresStore(directPool);
    await directPool.query(schema());
  });
  after(async () => {
    await pool.end();
    await directPool.end();
    await bouncer.stop();
    await server.stop();
  });

  test('4 processes in each of which 25 wait: no error, no overlap', {
    timeout: 120_000,
  }, async () => {
    const worker = new URL('./workers/crowd.ts', import.meta.url);
    const crowds = Array.from({ length: 4 }, () => startWorker(worker, bouncer.url, 'crowd', '25'));
    await Promise.all(crowds.map((crowd) => once(crowd, 'message')));
    const told = crowds.map(async (crowd) => (await once(crowd, 'message'))[0] as Section[]);
    for (const crowd of crowds) crowd.send('begin');
    const sections = (await Promise.all(told)).flat().sort((a, b) => a.fence - b.fence);
    assert.deepEqual(await Promise.all(crowds.map(ended)), [0, 0, 0, 0]);
    assert.equal(sections.length, 100);
    for (const [index, { begin }] of sections.entries()) {
      const { end = 0 } = sections[index - 1] ?? {};
      assert.ok(begin >= end, `section ${index} began ${end - begin} ms too early`);
    }
  });

  test('a connection that is deaf is noticed: watch fails, those who wait ask by themselves', async () => {
    const store = new PostgresStore(pool, { timeout: 1_000 });
    await assert.rejects(
      store.watch('deaf', () => {}),
      /no notification arrives/,
    );
    const start = performance.now();
    await assert.rejects(
      store.watch('deaf', () => {}),
      /no notification arrives/,
    );
    assert.ok(performance.now() - start < 500, 'and is not tried again at once');
    await direct.acquire('deaf', thief, 60_000);
    const attempt = await store.acquire('deaf', '1'.repeat(32), 60_000, 5_000);
    assert.ok(!attempt.granted && attempt.placeFor === undefined, 'and is given no place');
    const waiting = acquire(store, 'deaf');
    await direct.release('deaf', thief);
    assert.equal(await (await waiting).release(), true);
  });

  test('with a listener of its own, past the pooler, it has a place and is woken', async () => {
    const listener = () => new Client({ connectionString: server.url });
    const store = new PostgresStore(pool, { listener });
    await direct.acquire('direct', thief, 60_000);
    let wakes = 0;
    const watch = await store.watch('direct', () => {
      wakes += 1;
    });
    const attempt = await store.acquire('direct', '1'.repeat(32), 60_000, 5_000);
    assert.ok(!attempt.granted && attempt.placeFor === 5_000, JSON.stringify(attempt));
    await direct.release('direct', thief);
    await eventually('it is woken', () => wakes > 0);
    assert.equal((await store.acquire('direct', '1'.repeat(32), 60_000, 5_000)).granted, true);
    assert.equal(await store.release('direct', '1'.repeat(32)), true);
    await watch[Symbol.asyncDispose]();
  });

  test('postgres.js: takes, refuses, extends and gives back, at thirty locks at once', async () => {
    const sql = postgres(bouncer.url);
    const store = new PostgresStore(sql);
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const lease = await acquire(store, `sql ${index}`);
        await lease.extend();
        assert.equal((await direct.acquire(`sql ${index}`, thief, 1_000)).granted, false);
        assert.equal(await lease.release(), true);
      }),
    );
    await sql.end();
  });
});
