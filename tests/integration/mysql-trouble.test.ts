/** MysqlStore where others hold its rows, the server dies, or a session is set in some strange way. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { acquire, StoreError, tryAcquire } from 'dlock-js';
import { MysqlStore, schema } from 'dlock-js/mysql';
import * as mariadb from 'mariadb';
import type { Pool, PoolOptions } from 'mysql2/promise';
import type { LockStore } from '../../src/store.js';
import { assertFree, eventually, thief } from '../../src/testing/fixture.js';
import { openDatabase } from '../support/mysql.js';
import { startMysql } from '../support/servers.js';

const database = await openDatabase();
after(() => database[Symbol.asyncDispose]());
const { pool, url } = database;
const store = new MysqlStore(pool);
const [[{ isMariaDb }]] = (await pool.query(
  `SELECT VERSION() LIKE '%MariaDB%' AS isMariaDb`,
)) as never as [[{ isMariaDb: number }]];

/** A pool whose connections begin with a statement. */
function connectWith(statement: string, options?: PoolOptions): Pool {
  const client = database.connect(options);
  client.pool.on('connection', (connection) => void connection.query(statement));
  return client;
}

const count = async (client: Pool) => {
  const [rows] = await client.query('SELECT id FROM dlock_locks');
  return (rows as unknown[]).length;
};

/** Takes, is refused, extends and gives back, through a session of its own and against another one. */
async function passThrough(tested: LockStore, name: string): Promise<void> {
  const granted = await tested.acquire(name, 'ours', 60_000);
  assert.ok(granted.granted && Number(granted.fence) > 1e15);
  assert.deepEqual(await tested.acquire(name, 'ours', 1_000), granted);
  const theirs = await store.acquire(name, thief, 60_000);
  assert.ok(!theirs.granted && theirs.retryAfter && theirs.holder);
  assert.ok(theirs.retryAfter > 30_000 && theirs.retryAfter <= 60_000, `${theirs.retryAfter}`);
  const refused = await tested.acquire(name, thief, 60_000);
  assert.equal(!refused.granted && refused.holder, theirs.holder);
  for (const ttl of [60_000, 60_000]) assert.equal(await tested.extend(name, 'ours', ttl), true);
  assert.equal(await tested.extend(name, thief, 60_000), false);
  assert.equal(await tested.release(name, thief), false);
  assert.equal(await tested.release(name, 'ours'), true);
  assert.equal(await tested.release(name, 'ours'), false);
  const next = await store.acquire(name, thief, 60_000);
  assert.ok(next.granted && Number(next.fence) > Number(granted.fence));
  assert.equal(await store.release(name, thief), true);
}

describe('mysql: a session', { concurrency: 2 }, () => {
  const everywhere = [
    `sql_mode = ''`,
    `sql_mode = 'TRADITIONAL'`,
    `sql_mode = 'ANSI'`,
    `sql_mode = 'NO_BACKSLASH_ESCAPES'`,
    `sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION'`,
    'sql_safe_updates = 1',
    `time_zone = '+13:00'`,
    `time_zone = '-11:00'`,
    `collation_connection = 'utf8mb4_general_ci'`,
  ];
  const inMariaDb = [
    `sql_mode = 'ORACLE'`,
    `sql_mode = 'SIMULTANEOUS_ASSIGNMENT'`,
    'innodb_snapshot_isolation = ON',
  ];
  for (const setting of [...everywhere, ...(isMariaDb ? inMariaDb : [])]) {
    test(`with ${setting} takes, refuses, extends and gives back`, async () => {
      const name = `\\' OR "1" = '1 ${setting}`;
      await passThrough(new MysqlStore(connectWith(`SET SESSION ${setting}`)), name);
    });
  }

  for (const level of ['READ UNCOMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
    test(`under ${level} contends without an error`, async () => {
      const client = connectWith(`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`);
      const contended = new MysqlStore(client);
      const contend = async (token: string) => {
        for (let round = 0; round < 10; round++) {
          const { granted } = await contended.acquire(level, token, 60_000);
          if (granted) assert.equal(await contended.release(level, token), true);
        }
      };
      await Promise.all(Array.from({ length: 10 }, (_, index) => contend(`contender ${index}`)));
      await passThrough(contended, level);
    });
  }
});

describe('mysql: a client', () => {
  const settings: PoolOptions[] = [
    { supportBigNumbers: true },
    { supportBigNumbers: true, bigNumberStrings: true },
    { flags: ['-FOUND_ROWS'] },
    { namedPlaceholders: true, rowsAsArray: true },
    { dateStrings: true, decimalNumbers: true, multipleStatements: true },
  ];
  for (const setting of settings) {
    test(`mysql2 with ${JSON.stringify(setting)}`, async () => {
      await passThrough(new MysqlStore(database.connect(setting)), JSON.stringify(setting));
    });
  }

  const { hostname: host, port, pathname } = new URL(url);
  const address = { host, port: Number(port), user: 'root', database: pathname.slice(1) };
  const others: mariadb.PoolConfig[] = [
    { insertIdAsNumber: true },
    { bigIntAsNumber: true, checkNumberRange: true },
    { foundRows: false },
    { namedPlaceholders: true, rowsAsArray: true, metaAsArray: true },
    { nestTables: true, supportBigNumbers: true, bigNumberStrings: true },
  ];
  for (const setting of others) {
    test(`mariadb with ${JSON.stringify(setting)}`, async () => {
      const client = mariadb.createPool({ ...address, ...setting });
      await passThrough(new MysqlStore(client), JSON.stringify(setting));
      await client.end();
    });
  }

  test('that answers without an insertId is in error, neither granted nor refused', async () => {
    for (const answer of [undefined, {}, [], [[]], { insertId: -1 }, { insertId: 'x' }, 1]) {
      const odd = new MysqlStore(async () => answer);
      await assert.rejects(tryAcquire(odd, 'odd'), StoreError);
    }
    const zero = new MysqlStore(async () => ({ insertId: 0 }));
    await assert.rejects(tryAcquire(zero, 'odd'), /gave 0 as its insertId/);
    const one = new MysqlStore(async () => ({ insertId: 1 }));
    await assert.rejects(one.extend('odd', thief, 1_000), /gave 1 as its insertId/);
  });

  test('makes one round trip for each operation, granted or refused', async () => {
    let trips = 0;
    const counted = new MysqlStore((text, values) => {
      trips += /DELETE|HEX\(id\)/.test(text) ? 0 : 1; // the sweep is nobody's
      return pool.query(text, values);
    });
    await passThrough(counted, 'trips');
    assert.equal(trips, 9);
  });
});

describe('mysql: twenty at once', () => {
  for (const state of ['fresh', 'released', 'lapsed']) {
    test(`take a ${state} lock: one of them has it`, async () => {
      const stores = Array.from({ length: 4 }, () => new MysqlStore(database.connect()));
      for (let round = 0; round < 20; round++) {
        const name = `${state} ${round}`;
        if (state !== 'fresh') await store.acquire(name, 'before', state === 'lapsed' ? 1 : 60_000);
        if (state === 'released') await store.release(name, 'before');
        if (state === 'lapsed') {
          await eventually('it has lapsed', async () => !(await store.extend(name, 'before', 1)));
        }
        const attempts = Array.from({ length: 20 }, (_, index) =>
          stores[index % 4]?.acquire(name, `${round}, number ${index}`, 60_000),
        );
        const answers = await Promise.all(attempts);
        assert.equal(answers.filter((answer) => answer?.granted).length, 1, name);
      }
    });
  }
});

test('mysql: a deadlock, which the server undoes, is repeated', async () => {
  let deadlocks = 0;
  await using own = await openDatabase();
  const client = own.connect({ connectionLimit: 20 });
  const seeing = new MysqlStore(async (text, values) => {
    try {
      return await client.query(text, values);
    } catch (error) {
      if ((error as { errno?: number }).errno === 1213) deadlocks += 1;
      throw error;
    }
  });
  await using stranger = await client.getConnection();
  // Those who wait for a row that is then not inserted block each other.
  await eventually('there is a deadlock', async () => {
    await stranger.query('DELETE FROM dlock_locks');
    await stranger.beginTransaction();
    await stranger.query(
      `INSERT INTO dlock_locks VALUES (UNHEX(SHA2('deadly', 256)), REPEAT('x', 32), 0, 0)`,
    );
    const waiting = Array.from({ length: 8 }, (_, index) =>
      seeing.acquire('deadly', `number ${index}`, 60_000),
    );
    await eventually('they wait', async () => {
      const [rows] = await pool.query(`SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'`);
      return Number((rows as { Value: string }[])[0]?.Value) >= 8;
    });
    await stranger.rollback();
    const answers = await Promise.all(waiting);
    assert.equal(answers.filter(({ granted }) => granted).length, 1);
    return deadlocks > 0;
  });
});

test('mysql: a row that a stranger has locked is an error in time, and nothing is done later', async () => {
  await using server = await startMysql(['--innodb-lock-wait-timeout=1']);
  await using own = await openDatabase(server.url);
  const blocked = new MysqlStore(own.pool, { timeout: 1_000 });
  const lease = await tryAcquire(blocked, 'locked', { ttl: 60_000 });
  assert.ok(lease);
  await using stranger = await own.pool.getConnection();
  await stranger.beginTransaction();
  await stranger.query('SELECT * FROM dlock_locks FOR UPDATE');
  await assert.rejects(tryAcquire(blocked, 'locked'), StoreError);
  await assert.rejects(blocked.extend('locked', lease.token, 60_000), { errno: 1205 });
  await assert.rejects(blocked.release('locked', lease.token), { errno: 1205 });
  await stranger.rollback();
  assert.equal((await blocked.acquire('locked', thief, 1_000)).granted, false);
  assert.equal(await lease.release(), true);
  await assertFree(blocked, 'locked');
});

test('mysql: MariaDB waits for the row of a stranger no longer than the store does', {
  skip: isMariaDb ? false : 'MySQL takes no such limit from a statement',
}, async () => {
  await using own = await openDatabase();
  const impatient = new MysqlStore(own.pool, { timeout: 1_000 });
  await impatient.acquire('for a second', thief, 60_000);
  await using stranger = await own.pool.getConnection();
  await stranger.beginTransaction();
  await stranger.query('SELECT * FROM dlock_locks FOR UPDATE');
  // Beyond the time limit of the core: the server alone ends these.
  await assert.rejects(impatient.acquire('for a second', 'ours', 1_000), { errno: 1205 });
  await assert.rejects(impatient.extend('for a second', thief, 1_000), { errno: 1205 });
  await assert.rejects(impatient.release('for a second', thief), { errno: 1205 });
  await stranger.rollback();
  await stranger.query('LOCK TABLES dlock_locks READ');
  await assert.rejects(impatient.acquire('for a second', 'ours', 1_000), { errno: 1205 });
  await stranger.query('UNLOCK TABLES');
  const [[kept]] = (await pool.query(
    'SELECT @@innodb_lock_wait_timeout AS ours, @@GLOBAL.innodb_lock_wait_timeout AS theirs',
  )) as never as [[{ ours: number; theirs: number }]];
  assert.equal(kept.ours, kept.theirs);
});

test('mysql: killed and restarted, the server still knows the lock, its life and its fence', async () => {
  await using server = await startMysql();
  await using own = await openDatabase(server.url);
  const durable = new MysqlStore(own.pool);
  const held = await durable.acquire('kept', 'ours', 600_000);
  const released = await durable.acquire('released', 'ours', 600_000);
  await durable.release('released', 'ours');
  await server.freeze();
  await server.kill();
  await assert.rejects(tryAcquire(durable, 'kept'), StoreError);
  await server.restart();
  const refused = await durable.acquire('kept', thief, 1_000);
  assert.ok(!refused.granted && Number(refused.retryAfter) > 300_000);
  assert.deepEqual(await durable.acquire('kept', 'ours', 1), held);
  assert.equal(await durable.release('kept', 'ours'), true);
  const next = await durable.acquire('released', thief, 60_000);
  assert.ok(next.granted && released.granted);
  assert.ok(Number(next.fence) > Number(released.fence));
});

test('mysql: a lease outlives a restart of the server, and who waits gets it afterwards', async () => {
  await using server = await startMysql();
  await using own = await openDatabase(server.url);
  const restarted = new MysqlStore(own.pool, { timeout: 2_000 });
  await using lease = await acquire(restarted, 'renewed', { ttl: 30_000 });
  await server.restart();
  await lease.extend();
  assert.equal(await lease.release(), true);
  await using next = await acquire(restarted, 'renewed', { wait: 30_000 });
  assert.ok(Number(next.fence) > Number(lease.fence));
});

test('mysql: where there is no table, the error says how to create it', async () => {
  const missing = new MysqlStore(pool, { table: 'our_locks' });
  await assert.rejects(tryAcquire(missing, 'import'), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(
      error.message,
      /There is no table our_locks; create it with\nCREATE TABLE `our_locks`/,
    );
    return true;
  });
  await pool.query(schema('our_locks'));
  await using lease = await tryAcquire(missing, 'import');
  assert.ok(lease);
  const { pathname } = new URL(url);
  const named = new MysqlStore(pool, { table: `${pathname.slice(1)}.our_locks` });
  assert.equal(await tryAcquire(named, 'import'), null);
  assert.ok(await tryAcquire(store, 'import'));
});

test('mysql: what cannot be the name of a table is refused', () => {
  for (const table of ['', 'a b', 'a`b', 'a.b.c', '.a', 'a'.repeat(65), 'é']) {
    assert.throws(() => new MysqlStore(pool, { table }), {
      name: 'RangeError',
      message: /^table of/,
    });
    assert.throws(() => schema(table), RangeError);
  }
  assert.throws(() => new MysqlStore(pool, { table: 1 as never }), TypeError);
  assert.throws(() => new MysqlStore(pool, { prefix: 'a' } as never), {
    message: /Unknown option "prefix" of MysqlStore: it takes ttl, timeout, table/,
  });
});

test('mysql: a clock that is set back keeps no released lock, and no fence goes back', async () => {
  const before = await store.acquire('set back', thief, 60_000);
  await store.release('set back', thief);
  const past = new MysqlStore(connectWith('SET SESSION timestamp = UNIX_TIMESTAMP() - 36000'));
  const after = await past.acquire('set back', 'ours', 60_000);
  assert.ok(before.granted && after.granted);
  assert.ok(Number(after.fence) > Number(before.fence));
  assert.equal(await past.release('set back', 'ours'), true);
});

test('mysql: a sweep after a release removes the rows that nobody has used for a day', async () => {
  await using swept = await openDatabase();
  const past = (seconds: number) => {
    const client = swept.connect();
    const set = `SET SESSION timestamp = UNIX_TIMESTAMP() - ${seconds}`;
    client.pool.on('connection', (connection) => void connection.query(set));
    return new MysqlStore(client);
  };
  const dayAgo = past(86_500);
  const hourAgo = past(3_600);
  for (let index = 0; index < 40; index++) {
    await dayAgo.acquire(`lapsed ${index}`, thief, 1_000);
    await dayAgo.acquire(`released ${index}`, thief, 30 * 86_400_000);
    await dayAgo.release(`released ${index}`, thief);
  }
  await dayAgo.acquire('held for long', thief, 30 * 86_400_000);
  await hourAgo.acquire('of today', thief, 1_000);
  const sweeping = new MysqlStore(swept.pool);
  await sweeping.acquire('now', thief, 60_000);
  assert.equal(await count(swept.pool), 83);
  await sweeping.release('now', thief);
  await eventually('they are removed', async () => (await count(swept.pool)) === 3);
  assert.equal((await sweeping.acquire('held for long', 'ours', 1_000)).granted, false);
});

test('mysql: a longer life than the store can represent is refused before any request', async () => {
  assert.equal(store.maxTtl, 10 ** 12 - 1);
  await using lease = await tryAcquire(store, 'longest', { ttl: store.maxTtl });
  assert.ok(lease);
  const refused = await store.acquire('longest', thief, 1_000);
  assert.ok(!refused.granted && Number(refused.retryAfter) > 10 ** 12 - 60_000);
  await assert.rejects(tryAcquire(store, 'longest', { ttl: 10 ** 12 }), RangeError);
});
