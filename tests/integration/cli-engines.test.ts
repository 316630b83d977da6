/** The command on PostgreSQL, MariaDB and etcd, and by the scheme of Valkey: real servers, real processes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { eventually } from '../../src/testing/fixture.js';
import { assertLine, dlock, fresh, running } from '../support/command.js';
import { openDatabase } from '../support/mysql.js';
import { engines, onMysql, onPostgres } from '../support/places.js';
import { startSilentServer } from '../support/servers/silent.js';
import { startEtcd, startMysql } from '../support/servers.js';

const ran = ['job', '--', 'echo', 'ran'];

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
        assertLine(outcome, /lock "job": .*(within \d+ ms|time)/i);
        assert.doesNotMatch(String(outcome.stderr), /swordfish/);
      }
    });
  }
});
