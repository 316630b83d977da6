/** The PostgreSQL and the PgBouncer of the tests: that they can be tortured, keep data, and never stay behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { access, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { execa } from 'execa';
import { Client } from 'pg';
import { eventually } from '../../src/testing/fixture.js';
import { temporaryDirectory } from '../support/servers/directories.js';
import { startPgBouncer } from '../support/servers/pgbouncer.js';
import { startPostgres } from '../support/servers/postgres.js';
import { built } from '../support/workers.js';

/** Asks one question on a connection of its own. */
async function ask(connectionString: string, question: string, timeout = 10_000) {
  const client = new Client({ connectionString, connectionTimeoutMillis: timeout });
  client.on('error', () => {});
  try {
    await client.connect();
    const [row] = (await client.query({ text: question, rowMode: 'array' })).rows;
    return row?.[0];
  } finally {
    void client.end().catch(() => {});
  }
}

describe('a PostgreSQL of the test’s own', () => {
  test('was given the arguments, and does not answer while frozen', async () => {
    await using server = await startPostgres(['-c', 'work_mem=7MB']);
    assert.equal(await ask(server.url, 'SHOW work_mem'), '7MB');
    const before = new Client({ connectionString: server.url });
    before.on('error', () => {});
    await before.connect();
    await server.freeze();
    await assert.rejects(ask(server.url, 'SELECT 1', 300), /timeout/);
    let isAnswered = false;
    const late = before.query('SELECT 1').then(() => {
      isAnswered = true;
    });
    await assert.rejects(ask(server.url, 'SELECT 1', 300), /timeout/);
    assert.equal(isAnswered, false, 'nor does a connection that it has had');
    await server.thaw();
    await late;
    await before.end();
  });

  for (const state of ['running', 'frozen']) {
    test(`is killed ${state}, and restarts with its data and its arguments`, async () => {
      await using server = await startPostgres(['-c', 'work_mem=7MB']);
      await ask(server.url, 'CREATE TABLE kept AS SELECT 42 AS value');
      if (state === 'frozen') await server.freeze();
      await server.kill();
      await assert.rejects(ask(server.url, 'SELECT 1'), /ECONNREFUSED/);
      await server.restart();
      assert.equal(await ask(server.url, 'SELECT value FROM kept'), 42);
      assert.equal(await ask(server.url, 'SHOW work_mem'), '7MB');
    });
  }

  test('tells why it does not come up', async () => {
    await assert.rejects(startPostgres(['-c', 'no_such_setting=1']), /come up: .*no_such_setting/s);
  });

  for (const [signal, state] of [
    ['SIGTERM', 'running'],
    ['SIGKILL', 'running'],
    ['SIGKILL', 'frozen'],
  ] as const) {
    test(`ends, ${state}, and leaves no data, with a process that ${signal} ends`, async () => {
      const child = runServer(state === 'frozen' ? 'await server.freeze();' : '');
      const [said] = await once(child.stdout, 'data');
      const [directory, url] = String(said).trim().split(' ') as [string, string];
      child.kill(signal);
      await child;
      const isGone = () =>
        access(directory).then(
          () => false,
          ({ code }) => code === 'ENOENT',
        );
      await eventually('its data is removed', isGone);
      await assert.rejects(ask(url, 'SELECT 1'), /ECONNREFUSED/);
    });
  }

  test('does not keep the process of the tests alive', async () => {
    const program = `await (await import('${built('servers/postgres')}')).startPostgres();`;
    const { exitCode } = await runProgram(program);
    assert.equal(exitCode, 0);
  });

  const skip = process.getuid?.() !== 0 && 'only root has to start it as somebody else';

  test('comes up where only root may write to TMPDIR', { skip }, async () => {
    const directory = temporaryDirectory();
    assert.equal((await stat(directory)).mode & 0o777, 0o700);
    const child = runServer('', { TMPDIR: directory });
    const said = await Promise.race([
      once(child.stdout, 'data'),
      child.then(({ stderr }) => stderr),
    ]);
    assert.match(String(said), / postgres:/);
    child.kill('SIGTERM');
    await child;
  });
});

test('a PgBouncer leads to the server, which has fewer connections, and ends with its block', async () => {
  await using server = await startPostgres();
  let url = '';
  {
    await using bouncer = await startPgBouncer(server.port);
    url = bouncer.url;
    const question = `SELECT inet_server_port() || ' ' || inet_client_addr()`;
    assert.match(await ask(url, question), new RegExp(`^${server.port} `));
    const clients = Array.from({ length: 30 }, () => new Client({ connectionString: url }));
    await Promise.all(clients.map((client) => client.connect()));
    await Promise.all(clients.map((client) => client.query('SELECT pg_sleep(0.05)')));
    const count = `SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend'`;
    const backends = await ask(server.url, count);
    assert.ok(backends <= 11, `${backends}`);
    await Promise.all(clients.map((client) => client.end()));
  }
  await assert.rejects(ask(url, 'SELECT 1'), /ECONNREFUSED/);
});

/** A process of its own that starts a server, and prints where its data lies, and its URL. */
function runServer(then = '', env: NodeJS.ProcessEnv = {}) {
  const program = `
    const { startPostgres } = await import('${built('servers/postgres')}');
    const { Client } = (await import('pg')).default;
    const server = await startPostgres();
    const client = new Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    const [{ data_directory }] = (await client.query('SHOW data_directory')).rows;
    ${then}
    console.log(data_directory, server.url);
    setInterval(() => {}, 1_000);`;
  return runProgram(program, env);
}

function runProgram(program: string, env: NodeJS.ProcessEnv = {}) {
  const args = ['--input-type=module', '--eval', program];
  return execa(process.execPath, args, { env, reject: false, stdin: 'ignore' });
}
