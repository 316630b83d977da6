/** The command before a store that is not up yet: `--wait` outlasts that, within its time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient } from 'redis';
import { eventually } from '../../src/testing/fixture.js';
import { assertLine, dlock, fileStore, fresh } from '../support/command.js';
import { remove, temporaryDirectory } from '../support/servers/directories.js';
import { type OwnServer, startMemcached, startRedis } from '../support/servers.js';

const ran = ['job', '--', 'echo', 'ran'];
const notUp = /^dlock: lock "job": waiting for the store, which is not up \(.*\)\n$/;

/** Starts dlock with `--wait`, and resolves once it says that it waits for the store. */
async function waiting(store: string, wait = '5m') {
  const started = dlock(['--wait', wait, ...ran], { store });
  let said = '';
  started.stderr?.on('data', (data) => {
    said += data;
  });
  await eventually('it waits for the store', () => said.includes('\n'), 60_000);
  return { started };
}

/** What all servers do that are started again, before the lock can be taken. */
const stores: Record<string, () => Promise<{ server: OwnServer; store: string }>> = {
  redis: async () => {
    const server = await startRedis();
    return { server, store: server.url };
  },
  'redis by a name of several addresses': async () => {
    const server = await startRedis();
    return { server, store: server.url.replace('127.0.0.1', 'localhost') };
  },
  memcached: async () => {
    const server = await startMemcached();
    return { server, store: `memcache://${server.address}` };
  },
  'a majority of a quorum': async () => {
    const server = await startRedis();
    return { server, store: [server.url, 'redis://127.0.0.1:1', fileStore()].join() };
  },
};

describe('a store that is not up', { concurrency: 3 }, () => {
  for (const [kind, start] of Object.entries(stores)) {
    test(`${kind}: started later`, async () => {
      const { server, store } = await start();
      await using _server = server;
      await server.kill();
      const { started } = await waiting(store);
      await server.restart();
      const outcome = await started;
      assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
      assert.match(String(outcome.stderr), notUp);
    });
  }

  test('a socket that is not there', async () => {
    const outcome = await dlock(['--wait', '1s', ...ran], {
      store: `redis+unix://${fresh('none')}`,
    });
    assert.equal(outcome.exitCode, 69);
    assert.match(String(outcome.stderr), /not up \(connect ENOENT .*\n.*connect ENOENT/);
  });

  test('a Redis that is loading its data', async () => {
    const directory = temporaryDirectory();
    const load = '--key-load-delay 2000 --loading-process-events-interval-bytes 1024';
    const keep = ['--dir', directory, '--enable-debug-command', 'yes'];
    await using server = await startRedis([...keep, ...load.split(' ')]);
    const client = await createClient({ url: server.url }).connect();
    await client.sendCommand(['DEBUG', 'POPULATE', '5000', 'key', '100']);
    await client.sendCommand(['SAVE']);
    client.destroy();
    await server.restart();
    const [atOnce, outcome] = await Promise.all([
      dlock(ran, { store: server.url }),
      dlock(['--wait', '5m', ...ran], { store: server.url }),
    ]);
    assert.equal(atOnce.exitCode, 69, String(atOnce.stderr));
    assertLine(atOnce, /LOADING/);
    assert.deepEqual([outcome.exitCode, outcome.stdout], [0, 'ran\n'], String(outcome.stderr));
    assert.match(String(outcome.stderr), /not up \(LOADING /);
    remove(directory);
  });
});

describe('the wait has an end', { concurrency: 3 }, () => {
  const nobody = 'redis://127.0.0.1:1';

  test('without --wait it fails at once, and says nothing of waiting', async () => {
    const outcome = await dlock(ran, { store: nobody });
    assert.equal(outcome.exitCode, 69);
    assertLine(outcome, /lock "job": the store cannot be used: connect ECONNREFUSED/);
  });

  test('its time', async () => {
    const start = performance.now();
    const outcome = await dlock(['--wait', '2s', ...ran], { store: nobody });
    assert.ok(performance.now() - start >= 2_000);
    assert.equal(outcome.exitCode, 69);
    assert.match(
      String(outcome.stderr),
      /^dlock: .*waiting for the store.*\ndlock: lock "job": the store cannot be used: .*ECONNREFUSED.*\n$/,
    );
    const quiet = await dlock(['-q', '--wait', '1s', ...ran], { store: nobody });
    assert.equal(quiet.exitCode, 69);
    assertLine(quiet, /lock "job": the store cannot be used/);
  });

  test('a signal', async () => {
    const { started } = await waiting(nobody, 'forever');
    started.kill('SIGTERM');
    const { exitCode, signal, stdout } = await started;
    assert.ok(exitCode === 143 || signal === 'SIGTERM', `${exitCode} ${signal}`);
    assert.equal(stdout, '');
  });

  test('what no waiting mends: a wrong password', async () => {
    await using server = await startRedis(['--requirepass', 'right']);
    for (const store of [server.url, server.url.replace('//', '//:wrong-one@')]) {
      const outcome = await dlock(['--wait', 'forever', ...ran], { store });
      assert.equal(outcome.exitCode, 69);
      assertLine(outcome, /lock "job": the store cannot be used: (NOAUTH|WRONGPASS)/);
    }
  });
});
