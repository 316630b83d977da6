/** The command on PostgreSQL, MariaDB and etcd, and by the scheme of Valkey: real servers, real processes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { Client, Pool } from 'pg';
import { placesOf } from '../../src/cli/store-url.js';
import { eventually } from '../../src/testing/fixture.js';
import { assertLine, dlock, fresh, running } from '../support/command.js';
import { openDatabase } from '../support/mysql.js';
import { startTlsEtcd } from '../support/servers/etcd.js';
import { sharedPostgres, startPostgres } from '../support/servers/postgres.js';
import { startSilentServer } from '../support/servers/silent.js';
import { selfSigned } from '../support/servers/tls.js';
import { sharedEtcd, sharedMysql, sharedRedis, startEtcd, startMysql } from '../support/servers.js';

const ran = ['job', '--', 'echo', 'ran'];

/** A place where nobody else keeps locks. */
interface Somewhere extends AsyncDisposable {
  readonly url: string;
}

async function onPostgres(): Promise<Somewhere> {
  const server = await sharedPostgres();
  const table = `locks_${process.pid}_${Date.now()}`;
  return {
    url: `${server}?table=${table}`,
    async [Symbol.asyncDispose]() {
      const client = new Client(server);
      await client.connect();
      await client.query(`DROP TABLE IF EXISTS ${table}`);
      await client.end();
    },
  };
}

async function onMysql(): Promise<Somewhere> {
  const database = await openDatabase();
  return { ...database, url: `${database.url}?table=of_the_command` };
}

const lasting = (url: string): Somewhere => ({ url, [Symbol.asyncDispose]: async () => {} });

const engines: Record<string, () => Promise<Somewhere>> = {
  PostgreSQL: onPostgres,
  MySQL: onMysql,
  etcd: async () => lasting((await sharedEtcd()).replace('http', 'etcd')),
  Valkey: async () => lasting((await sharedRedis()).replace('redis', 'valkey')),
};

describe('a lock on each engine', { concurrency: 2 }, () => {
  for (const [name, open] of Object.entries(engines)) {
    test(`${name}: held while the command runs, free after it, with a fence that grows`, async () => {
      await using place = await open();
      const { url: store } = place;
      const job = fresh('job');
      const { started } = await running([job], 'exec sleep 60', { store });
      const held = await dlock([job, '--', 'true'], { store });
      assert.deepEqual([held.exitCode, held.stdout], [75, ''], String(held.stderr));
      assertLine(held, /another holds it/);
      started.kill('SIGTERM');
      assert.equal((await started).signal, 'SIGTERM');
      const fences: number[] = [];
      for (let run = 0; run < 2; run++) {
        const script = ['sh', '-c', 'echo $DLOCK_FENCE'];
        const next = await dlock([job, '--', ...script], { store });
        assert.deepEqual([next.exitCode, next.stderr], [0, '']);
        fences.push(Number(next.stdout));
      }
      assert.ok(Number(fences[0]) > 0 && Number(fences[1]) > Number(fences[0]), `${fences}`);
    });
  }

  test('a quorum of a PostgreSQL, a MySQL and an etcd', async () => {
    const places = await Promise.all([onPostgres(), onMysql(), engines.etcd?.()]);
    const store = places.map((place) => place?.url).join();
    const { started } = await running(['job'], 'exec sleep 60', { store });
    assert.equal((await dlock(ran, { store })).exitCode, 75);
    started.kill('SIGTERM');
    await started;
    const outcome = await dlock(ran, { store });
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
    for (const place of places) await place?.[Symbol.asyncDispose]();
  });
});

describe('the table of a database', () => {
  for (const [name, open] of Object.entries({ PostgreSQL: onPostgres, MySQL: onMysql })) {
    test(`${name}: fifty make it at the same moment`, async () => {
      await using place = await open();
      const openings = Array.from({ length: 50 }, async () => {
        const [found] = placesOf(place.url);
        const openStore = await found?.load();
        return openStore?.({});
      });
      for (const store of await Promise.all(openings)) {
        assert.equal(await store?.release('job', 'nobody'), false);
      }
    });
  }

  test('PostgreSQL: without the right to make it, 69 with the statement, and no password', async () => {
    const admin = new Client(await sharedPostgres());
    await admin.connect();
    const role = `worker_${process.pid}`;
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'swordfish'`);
    await admin.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    const url = new URL(await sharedPostgres());
    Object.assign(url, { username: role, password: 'swordfish', search: 'table=missing' });
    const outcome = await dlock(['-v', ...ran], { store: url.href });
    assert.deepEqual([outcome.exitCode, outcome.stdout], [69, '']);
    assert.match(
      String(outcome.stderr),
      /^dlock: .*missing.*permission denied.*CREATE TABLE "missing" \( key bytea .*;\n$/m,
    );
    assert.doesNotMatch(String(outcome.stderr), /swordfish/);
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });

  test('MySQL: without the right to make it, 69 with the statement, and no password', async () => {
    await using database = await openDatabase();
    const user = `worker_${process.pid}`;
    const { pathname } = new URL(database.url);
    await database.pool.query(`CREATE USER ${user} IDENTIFIED BY 'swordfish'`);
    await database.pool.query(`GRANT SELECT, INSERT, UPDATE ON ${pathname.slice(1)}.* TO ${user}`);
    const url = new URL(database.url);
    Object.assign(url, { username: user, password: 'swordfish' });
    const allowed = await dlock(ran, { store: url.href });
    assert.deepEqual([allowed.exitCode, allowed.stdout], [0, 'ran\n'], String(allowed.stderr));
    url.search = 'table=missing';
    const outcome = await dlock(['-v', ...ran], { store: url.href });
    assert.deepEqual([outcome.exitCode, outcome.stdout], [69, '']);
    assert.match(
      String(outcome.stderr),
      /^dlock: .*missing.*denied.*CREATE TABLE `missing` \( id BINARY\(32\) .*;\n$/m,
    );
    url.password = 'wordfish';
    const stranger = await dlock(['-v', ...ran], { store: url.href });
    assert.equal(stranger.exitCode, 69);
    assert.match(String(stranger.stderr), /Access denied/);
    assert.doesNotMatch(`${outcome.stderr}${stranger.stderr}`, /wordfish/);
    await database.pool.query(`DROP USER ${user}`);
  });
});

describe('TLS', { concurrency: 2 }, () => {
  test('a server without it: as psql and mysql do without a word, and 69 if it is required', async () => {
    const postgres = await sharedPostgres();
    const mysql = `${await sharedMysql()}/mysql`;
    for (const [store, exitCode, message] of [
      [`${postgres}?sslmode=prefer`, 0, /^$/],
      [`${postgres}?sslmode=allow`, 0, /^$/],
      [`${postgres}?sslmode=require`, 69, /does not support SSL/],
      [`${postgres}?sslmode=verify-full`, 69, /does not support SSL/],
      [`${mysql}?ssl-mode=DISABLED`, 0, /^$/],
      [`${mysql}?ssl-mode=REQUIRED`, 69, /does not support secure connection/],
    ] as const) {
      const outcome = await dlock(ran, { store });
      assert.equal(outcome.exitCode, exitCode, `${store}: ${outcome.stderr}`);
      assert.match(String(outcome.stderr), message, store);
    }
  });

  test('PostgreSQL: sslmode as psql means it', async () => {
    const identity = await selfSigned();
    const url = (await startPostgres()).replace('127.0.0.1', 'localhost');
    const { certificate, key } = identity.files;
    const admin = new Pool({ connectionString: url });
    for (const [file, name] of [
      [certificate, 'server.crt'],
      [key, 'server.key'],
    ] as const) {
      const content = (await readFile(file)).toString('base64');
      await admin.query(`COPY (SELECT '${content}') TO PROGRAM 'umask 077; base64 -d > ${name}'`);
    }
    await admin.query('ALTER SYSTEM SET ssl = on');
    await admin.query('SELECT pg_reload_conf()');
    await eventually('it speaks TLS', async () => {
      const { rows } = await admin.query('SHOW ssl');
      return rows[0].ssl === 'on';
    });
    const byAddress = url.replace('localhost', '127.0.0.1');
    for (const [store, exitCode, message] of [
      [`${url}?sslmode=disable`, 0, /^$/],
      [url, 0, /^$/],
      [`${url}?sslmode=require`, 0, /^$/],
      [`${url}?sslmode=verify-ca`, 69, /self-signed certificate/],
      [`${url}?sslmode=verify-full&sslrootcert=${certificate}`, 0, /^$/],
      [`${byAddress}?sslmode=verify-ca&sslrootcert=${certificate}`, 0, /^$/],
      [`${byAddress}?sslmode=verify-full&sslrootcert=${certificate}`, 69, /does not match/],
      [`${url}?sslmode=verify-full&sslrootcert=/no/such/file`, 69, /ENOENT/],
    ] as const) {
      const outcome = await dlock(ran, { store });
      assert.equal(outcome.exitCode, exitCode, `${store}: ${outcome.stderr}`);
      assert.match(String(outcome.stderr), message, store);
    }
    const { rows } = await admin.query('SELECT count(*) FROM dlock_locks');
    assert.equal(Number(rows[0].count), 1);
    await admin.end();
    identity.remove();
  });

  test('etcd: an authority of one’s own', async () => {
    await using server = await startTlsEtcd();
    const identity = fresh('authority');
    await writeFile(identity, server.certificate);
    const store = server.url.replace('https', 'etcds');
    const outcome = await dlock(ran, { store: `${store}?cacert=${identity}` });
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
    const distrusting = await dlock(ran, { store });
    assert.equal(distrusting.exitCode, 69);
    assertLine(distrusting, /self-signed certificate/);
  });
});

describe('a server that is not up', { concurrency: 3 }, () => {
  const notUp = /^dlock: lock "job": waiting for the store, which is not up \(.*\)\n$/;

  async function assertWaitsFor(store: string, start: () => Promise<unknown>): Promise<void> {
    const atOnce = await dlock(ran, { store });
    assert.equal(atOnce.exitCode, 69, String(atOnce.stderr));
    const started = dlock(['--wait', '5m', ...ran], { store });
    let said = '';
    started.stderr?.on('data', (data) => {
      said += data;
    });
    await eventually('it waits for the store', () => said.includes('\n'), 60_000);
    await start();
    const outcome = await started;
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
    assert.match(String(outcome.stderr), notUp);
  }

  test('MySQL', async () => {
    await using server = await startMysql();
    await using database = await openDatabase(server.url);
    await server.kill();
    await assertWaitsFor(database.url, () => server.restart());
  });

  test('etcd', async () => {
    await using server = await startEtcd();
    await server.kill();
    await assertWaitsFor(server.url.replace('http', 'etcd'), () => server.restart());
  });

  test('PostgreSQL', async () => {
    await using place = await onPostgres();
    const url = new URL(place.url);
    const { port } = url;
    const server = createServer((socket) => {
      const other = connect(Number(port), '127.0.0.1');
      for (const each of [socket, other]) each.on('error', () => {});
      socket.pipe(other).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url.port = `${(server.address() as AddressInfo).port}`;
    server.close();
    await once(server, 'close');
    await assertWaitsFor(url.href, async () => {
      server.listen(Number(url.port), '127.0.0.1');
      await once(server, 'listening');
    });
    server.close();
  });
});

describe('a server that is silent is 69, within the time limit', { concurrency: 3 }, () => {
  for (const [scheme, path] of [
    ['postgres', ''],
    ['mysql', '/app'],
    ['etcd', ''],
    ['etcds', ''],
  ] as const) {
    test(scheme, async () => {
      await using server = await startSilentServer();
      const store = `${scheme}://user:swordfish@127.0.0.1:${server.port}${path}`;
      for (const wait of ['0', 'forever']) {
        const started = dlock(['-q', '--wait', wait, ...ran], { store });
        const timer = setTimeout(() => started.kill('SIGKILL'), 60_000);
        const outcome = await started;
        clearTimeout(timer);
        assert.deepEqual([outcome.exitCode, outcome.stdout], [69, ''], String(outcome.stderr));
        assertLine(outcome, /lock "job": .*(within \d+ ms|time)/);
        assert.doesNotMatch(String(outcome.stderr), /swordfish/);
      }
    });
  }
});

test('a database that does not exist is 69 at once, with --wait too', async () => {
  const [mysql, postgres] = [await sharedMysql(), new URL(await sharedPostgres())];
  postgres.pathname = 'no_such_database';
  for (const store of [`${mysql}/no_such_database`, postgres.href]) {
    const outcome = await dlock(['--wait', '5m', ...ran], { store });
    assert.equal(outcome.exitCode, 69);
    assertLine(outcome, /no_such_database/);
  }
});
