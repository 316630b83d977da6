/** PostgresStore while its server, its connections, its transactions or its clock are not as they should be. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { acquire, LeaseLostError, StoreError, tryAcquire } from 'dlock-js';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { Client, Pool } from 'pg';
import postgres from 'postgres';
import { eventually, slack, thief } from '../../src/testing/fixture.js';
import { passOn, startProxy } from '../support/proxy/proxy.js';
import { startPostgres } from '../support/servers/postgres.js';

describe('postgres: trouble', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let pool: Pool;
  let store: PostgresStore;
  const pools: Pool[] = [];
  // Nothing that only waits for a wake-up keeps a process alive.
  const alive = setInterval(() => {}, 60_000);

  /** What goes wrong is reported by the requests that it concerns. */
  function openPool(options: object = {}): Pool {
    const opened = new Pool({ connectionString: server.url, ...options });
    opened.on('error', () => {});
    pools.push(opened);
    return opened;
  }

  async function connect(): Promise<Client> {
    const client = new Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  const sqlState = (error: unknown): string | undefined =>
    ((error as StoreError).cause as { code?: string } | undefined)?.code;

  before(async () => {
    server = await startPostgres();
    pool = openPool();
    await pool.query(schema());
    store = new PostgresStore(pool);
  });
  after(async () => {
    clearInterval(alive);
    for (const each of pools) await each.end();
    await server.stop();
  });

  for (const isolation of ['read committed', 'repeatable read', 'serializable']) {
    test(`${isolation} by default: contenders meet no error, and hold the lock one at a time`, async () => {
      const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`;
      let holders = 0;
      const fences: number[] = [];
      const contend = async () => {
        // What is undone is sent again, and may be undone again.
        const contender = new PostgresStore(openPool({ options, max: 2 }), { timeout: 30_000 });
        for (let round = 0; round < 10; round++) {
          await using lease = await acquire(contender, isolation);
          holders += 1;
          assert.equal(holders, 1);
          fences.push(Number(lease.fence));
          await new Promise(setImmediate);
          holders -= 1;
        }
      };
      await Promise.all(Array.from({ length: 4 }, contend));
      assert.equal(fences.length, 40);
      assert.deepEqual(
        fences,
        fences.toSorted((a, b) => a - b),
      );
    });

    test(`${isolation} by default: of many who try at once one wins, and nobody meets an error`, async () => {
      const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`;
      const contenders = Array.from(
        { length: 10 },
        () => new PostgresStore(openPool({ options, max: 1 })),
      );
      for (let round = 0; round < 5; round++) {
        const name = `${isolation} ${round}`;
        const tries = contenders.map((each) => tryAcquire(each, name));
        const leases = (await Promise.all(tries)).filter((lease) => lease !== null);
        assert.equal(leases.length, 1);
        assert.equal(await leases[0]?.release(), true);
      }
    });
  }

  test('a row that a stranger has locked is an error within the time limit, and nothing comes of it later', async () => {
    const hasty = new PostgresStore(pool, { timeout: 500 });
    await (await tryAcquire(store, 'locked'))?.release();
    const stranger = await connect();
    await stranger.query('BEGIN');
    await stranger.query(`SELECT FROM dlock_locks WHERE name = 'dlock:locked' FOR UPDATE`);
    const start = performance.now();
    const { code } = await hasty.acquire('locked', thief, 60_000).then(
      () => assert.fail('it answered'),
      (error) => error,
    );
    assert.equal(code, '55P03');
    assert.ok(performance.now() - start >= 490);
    await assert.rejects(tryAcquire(hasty, 'locked'), StoreError);
    const settings = await Promise.all([1, 2, 3].map(() => pool.query('SHOW lock_timeout')));
    for (const { rows } of settings) assert.equal(rows[0].lock_timeout, '0');
    await stranger.query('ROLLBACK');
    await stranger.end();
    await eventually('nobody holds it', async () => {
      await using lease = await tryAcquire(store, 'locked');
      return lease !== null;
    });
  });

  test('a client in an aborted transaction is an error, never a refusal', async () => {
    const client = await connect();
    await client.query('BEGIN');
    await assert.rejects(client.query('SELECT 1 / 0'));
    const aborted = new PostgresStore(client);
    await assert.rejects(tryAcquire(aborted, 'aborted'), (error) => sqlState(error) === '25P02');
    await client.query('ROLLBACK');
    assert.equal(await (await tryAcquire(aborted, 'aborted'))?.release(), true);
    await client.end();
  });

  test('where nothing may be written is an error, never a refusal', async () => {
    const reader = openPool({ options: '-c default_transaction_read_only=on' });
    const readOnly = new PostgresStore(reader);
    await assert.rejects(tryAcquire(readOnly, 'read'), (error) => sqlState(error) === '25006');
    await store.acquire('read', thief, 60_000);
    await assert.rejects(tryAcquire(readOnly, 'read'), (error) => sqlState(error) === '25006');
    await store.release('read', thief);
  });

  test('a clock that is set back after a release keeps nobody out', async () => {
    const lease = await tryAcquire(store, 'set back');
    assert.equal(await lease?.release(), true);
    // As after a clock that was set back by an hour: what is noted of the release lies in the future.
    await pool.query(`
      UPDATE dlock_locks SET ends = ends + interval '1 hour', fence = fence + 3600000000
      WHERE name = 'dlock:set back'`);
    const next = await tryAcquire(store, 'set back');
    assert.ok(Number(next?.fence) > Number(lease?.fence) + 3_600_000_000);
    assert.equal(await next?.release(), true);
    const reader = await tryAcquire(store, 'set back', { limit: 2 });
    assert.equal(await reader?.release(), true);
  });

  const listeners = `
    FROM pg_stat_activity WHERE query ILIKE 'LISTEN%' AND pid <> pg_backend_pid()`;
  const countListeners = async () =>
    Number((await pool.query(`SELECT count(*) ${listeners}`)).rows[0].count);

  test('a listener that is killed is replaced, and whoever waits keeps its place', async () => {
    await store.acquire('cut', thief, 60_000);
    const waiting = acquire(store, 'cut');
    const place = async () =>
      (await pool.query(`SELECT queue FROM dlock_locks WHERE name = 'dlock:cut'`)).rows[0]
        .queue?.[0];
    await eventually('it has a place', async () => (await place()) !== undefined);
    const [id] = await place();
    const { rows } = await pool.query(`SELECT pg_terminate_backend(pid), pid ${listeners}`);
    assert.equal(rows.length, 1);
    await eventually('another one listens', async () => {
      const again = await pool.query(`SELECT pid ${listeners}`);
      return again.rows.length === 1 && again.rows[0].pid !== rows[0].pid;
    });
    await eventually('it has a place', async () => (await place())?.[0] === id);
    await store.release('cut', thief);
    assert.equal(await (await waiting).release(), true);
    await eventually('nobody listens any more', async () => (await countListeners()) === 0);
  });

  test('postgres.js: a connection that no longer answers is replaced', async () => {
    let isDeaf = false;
    await using proxy = await startProxy(server.port, (link) => {
      passOn(link);
      link.client.on('data', (data) => {
        if (isDeaf || !data.includes('dlock_locks')) return;
        isDeaf = true;
        link.server.unpipe(link.client);
      });
    });
    const sql = postgres(server.url, { port: proxy.port, max: 1 });
    const watching = new PostgresStore(sql, { timeout: 1_000 });
    await assert.rejects(
      watching.watch('deaf', () => {}),
      /not listening/,
    );
    assert.ok(isDeaf);
    let watch: AsyncDisposable | undefined;
    await eventually('it can be woken', async () => {
      watch = await watching.watch('deaf', () => {}).catch(() => undefined);
      return watch !== undefined;
    });
    await watch?.[Symbol.asyncDispose]();
    await sql.end();
    proxy.cut();
    await eventually('nobody listens any more', async () => (await countListeners()) === 0);
  });

  test('frozen: an error within the time limit; thawed: no orphan', async () => {
    const hasty = new PostgresStore(openPool(), { timeout: 400, ttl: 60_000 });
    await (await tryAcquire(hasty, 'frozen'))?.release();
    await server.freeze();
    const start = performance.now();
    await assert.rejects(tryAcquire(hasty, 'frozen'), StoreError);
    const waited = performance.now() - start;
    assert.ok(waited >= 390 && waited < 4_000, `${waited} ms`);
    await server.thaw();
    await eventually('the lock can be taken', async () => {
      await using lease = await tryAcquire(store, 'frozen');
      return lease !== null;
    });
  });

  test('killed and restarted: the holder that renews keeps its lease, and the lock and the fence are kept', async () => {
    const kept = await acquire(store, 'kept', { ttl: 60_000 });
    const reader = await acquire(store, 'kept shared', { ttl: 60_000, limit: 2 });
    await server.kill();
    await assert.rejects(tryAcquire(store, 'kept'), StoreError);
    await assert.rejects(kept.extend(), StoreError);
    assert.equal(kept.held, true, 'in doubt is not lost');
    await server.restart();
    assert.equal(await tryAcquire(store, 'kept'), null);
    assert.equal(await tryAcquire(store, 'kept shared'), null);
    await kept.extend();
    await reader.extend();
    assert.equal(await kept.release(), true);
    assert.equal(await reader.release(), true);
    const next = await tryAcquire(store, 'kept');
    assert.ok(Number(next?.fence) > Number(kept.fence));
    assert.equal(await next?.release(), true);
  });

  test('killed under a held lease: the loss is told at its end', async () => {
    const start = performance.now();
    const lease = await acquire(store, 'lost', { ttl: 4_000 });
    let toldAt = Infinity;
    lease.signal.addEventListener('abort', () => {
      toldAt = performance.now();
    });
    await server.kill();
    await eventually('the loss is told', () => toldAt < Infinity);
    assert.ok(toldAt - start < 4_000 + slack);
    assert.ok(lease.signal.reason instanceof LeaseLostError);
    await server.restart();
  });

  const clients = {
    pg: () => new PostgresStore(openPool()),
    'postgres.js'() {
      // Else it waits for up to 20 seconds before it connects again.
      const sql = postgres(server.url, { backoff: () => 0.1 });
      after(() => sql.end({ timeout: 5 })); // else it waits for what it lost with its server
      return new PostgresStore(sql);
    },
  };

  for (const [client, open] of Object.entries(clients)) {
    test(`${client}: killed and restarted while somebody waits: an error, and who waits again is woken`, {
      timeout: 120_000,
    }, async () => {
      const waiter = open();
      const name = `waited for by ${client}`;
      assert.equal((await store.acquire(name, thief, 600_000)).granted, true);
      const waiting = acquire(waiter, name);
      const told = assert.rejects(waiting, StoreError);
      await eventually('it listens', async () => (await countListeners()) > 0);
      await server.kill();
      await told;
      await server.restart();
      await eventually('the pool has noticed', async () => {
        return store.acquire(name, thief, 600_000).then(
          ({ granted }) => granted,
          () => false,
        );
      });
      let wakes = 0;
      let watch: AsyncDisposable | undefined;
      const canBeWoken = async () => {
        watch = await waiter.watch(name, () => wakes++).catch(() => undefined);
        return watch !== undefined;
      };
      await eventually('it can be woken', canBeWoken, 60_000);
      assert.equal(await store.release(name, thief), true);
      await eventually('it is woken', () => wakes > 0);
      await watch?.[Symbol.asyncDispose]();
    });
  }
});
