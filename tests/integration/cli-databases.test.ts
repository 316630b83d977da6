/** The command on databases: the table that it makes, and TLS. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Client, Pool } from 'pg';
import { eventually } from '../../src/testing/fixture.js';
import { assertLine, dlock, fresh } from '../support/command.js';
import { openDatabase } from '../support/mysql.js';
import { onMysql, onPostgres } from '../support/places.js';
import { startTlsEtcd } from '../support/servers/etcd.js';
import { sharedPostgres, startPostgres } from '../support/servers/postgres.js';
import { selfSigned } from '../support/servers/tls.js';
import { sharedMysql } from '../support/servers.js';
import { compile } from '../support/workers.js';

const ran = ['job', '--', 'echo', 'ran'];

describe('the table of a database', () => {
  const openers = new URL('./workers/openers.ts', import.meta.url);

  for (const [name, open] of Object.entries({ PostgreSQL: onPostgres, MySQL: onMysql })) {
    test(`${name}: fifty make it at the same moment`, async () => {
      await using place = await open();
      const { stderr } = await execa(process.execPath, [compile(openers), place.url, '50']);
      assert.equal(stderr, '50 opened');
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

describe('over TLS', { concurrency: 2 }, () => {
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
    await using server = await startPostgres();
    const url = server.url.replace('127.0.0.1', 'localhost');
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

test('a database that does not exist is 69 at once, with --wait too', async () => {
  const [mysql, postgres] = [await sharedMysql(), new URL(await sharedPostgres())];
  postgres.pathname = 'no_such_database';
  for (const store of [`${mysql}/no_such_database`, postgres.href]) {
    const outcome = await dlock(['--wait', '5m', ...ran], { store });
    assert.equal(outcome.exitCode, 69);
    assertLine(outcome, /no_such_database/);
  }
});
