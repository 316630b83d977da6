/** The command on a list of stores, of which a majority decides. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createClient } from 'redis';
import { placesOf, secretsOf } from '../../src/cli/store-url.js';
import { assertLine, dlock, fileStore, running } from '../support/command.js';
import { temporaryDirectory } from '../support/servers/directories.js';
import { sharedPostgres } from '../support/servers/postgres.js';
import { sharedMemcached, startRedis } from '../support/servers.js';

const nobody = 'redis://127.0.0.1:1';

describe('a list of stores', { concurrency: 3 }, () => {
  test('is a quorum: held in all of them, and free again', async () => {
    await using one = await startRedis();
    await using two = await startRedis();
    const store = [one.url, two.url, `memcache://${await sharedMemcached()}`].join(', ');
    const { started } = await running(['job'], 'exec sleep 60', { store });
    const held = await dlock(['job', '--', 'true'], { store });
    assert.equal(held.exitCode, 75);
    assertLine(held, /lock "job": another holds it/);
    for (const { url } of [one, two]) {
      const client = await createClient({ url }).connect();
      assert.equal(await client.exists('dlock:job'), 1);
      client.destroy();
    }
    started.kill('SIGTERM');
    assert.equal((await started).signal, 'SIGTERM');
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
  });

  test('lets many in at once with --shared, beside nobody else, and with a minority down', async () => {
    await using one = await startRedis();
    const store = [one.url, await sharedPostgres(), nobody].join();
    const { started } = await running(['--shared', 'job'], 'exec sleep 60', { store });
    const beside = await dlock(['--shared', 'job', '--', 'echo', 'beside'], { store });
    assert.deepEqual([beside.exitCode, beside.stdout], [0, 'beside\n'], String(beside.stderr));
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 75);
    started.kill('SIGTERM');
    assert.equal((await started).signal, 'SIGTERM');
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);

    const unable = [one.url, fileStore(), `memcache://${await sharedMemcached()}`].join();
    const refused = await dlock(['--shared', 'job', '--', 'true'], { store: unable });
    assert.equal(refused.exitCode, 64);
  });

  test('a minority that cannot be connected to stops nothing; a majority is exit code 69', async () => {
    await using server = await startRedis();
    const minority = [server.url, fileStore(), nobody].join();
    const run = await dlock(['job', '--', 'echo', 'ran'], { store: minority });
    assert.deepEqual([run.exitCode, run.stdout, run.stderr], [0, 'ran\n', '']);

    const majority = [server.url, nobody, 'redis://127.0.0.1:2'].join();
    for (const wait of ['0', '300ms']) {
      const outcome = await dlock(['-q', '--wait', wait, 'job', '--', 'echo'], { store: majority });
      assert.deepEqual([outcome.exitCode, outcome.stdout], [69, '']);
      assertLine(outcome, /lock "job": .*there is no majority .*ECONNREFUSED/);
    }
  });

  test('a server that comes back while the command runs, and one that dies after it', async () => {
    await using one = await startRedis();
    await using two = await startRedis();
    const store = [one.url, two.url, fileStore()].join();
    await one.kill();
    const { started } = await running(['job'], 'exec sleep 60', { store });
    await one.restart();
    // It grants, and has its grant given back.
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 75);
    started.kill('SIGTERM');
    assert.equal((await started).signal, 'SIGTERM');
    await two.kill();
    assert.equal((await dlock(['job', '--', 'true'], { store })).exitCode, 0);
  });

  test('a password with commas works, and no password of a list is shown', async () => {
    const password = 'one,redis:two,three';
    await using server = await startRedis(['--requirepass', password]);
    const written = server.url.replace('//', '//:one,redis%3Atwo,three@');
    const store = [written, fileStore(), nobody.replace('//', '//user:first,second@')].join();
    const good = await dlock(['-v', 'job', '--', 'true'], { store });
    assert.equal(good.exitCode, 0, String(good.stderr));

    const bad = [
      [
        server.url.replace('//', '//:first,second@'),
        nobody.replace('//', '//:third,fourth@'),
      ].join(),
      'redis://:first,second@a,redis://user:12#third,fourth@b',
      'nonsense://:first,second@a,redis://:third,fourth@b',
    ];
    for (const store of bad) {
      const { exitCode, stderr } = await dlock(['-v', 'job', '--', 'true'], { store });
      assert.ok(exitCode === 64 || exitCode === 69, String(stderr));
      for (const secret of ['first', 'second', 'third', 'fourth']) {
        assert.ok(!String(stderr).includes(secret), String(stderr));
      }
    }
    const secrets = secretsOf('redis://:first@a:1,redis://user:sec%40ond@b');
    for (const secret of ['first', 'sec%40ond', 'sec@ond']) assert.ok(secrets.includes(secret));
  });

  test('64 for an invalid list', async () => {
    for (const [store, message] of [
      [`${nobody},${nobody}`, /names one of them twice/],
      [`${nobody},redis://:password@127.0.0.1:1`, /names one of them twice/],
      [`${nobody},http://host`, /must begin with redis:/],
      [`${nobody},memcache://user:password@host`, /URL of a Memcached server/],
      [`${nobody},redis://`, /URL/],
    ] as const) {
      const outcome = await dlock(['job', '--', 'true'], { store });
      assert.equal(outcome.exitCode, 64, store);
      assertLine(outcome, message);
    }
  });
});

describe('one server or directory has one vote, however it is spelled', { concurrency: 3 }, () => {
  const place = temporaryDirectory();
  mkdirSync(join(place, 'store'));
  symlinkSync(join(place, 'store'), join(place, 'link'));
  const directory = pathToFileURL(join(place, 'store')).href;
  const link = pathToFileURL(join(place, 'link')).href;

  const same: [string, string][] = [
    ['redis://host', 'redis://host:6379'],
    ['redis://host', 'redis://HOST'],
    ['redis://host', 'redis://host.'],
    ['redis://host', 'redis://host/'],
    ['redis://host', 'redis://host/0'],
    ['redis://host/1', 'redis://host/2'],
    ['redis://host', 'redis://user:password@host'],
    ['redis://host', 'rediss://host?cacert=/path'],
    ['redis://localhost', 'redis://127.0.0.1'],
    ['redis://localhost', 'redis://[::1]'],
    ['redis://127.0.0.1', 'redis://127.1'],
    ['redis://[::1]', 'redis://[0:0:0:0:0:0:0:1]:6379'],
    ['redis://10.0.0.1', 'redis+cluster://10.0.0.2,10.0.0.1:6379'],
    ['redis+sentinel://a,b/main', 'redis+sentinel://B:26379/main'],
    ['redis+unix:///run/redis.sock', 'redis+unix:///run/./redis.sock?db=1'],
    ['memcache://host', 'memcache://HOST:11211'],
    [directory, `${directory}/`],
    [directory, `${directory}/../store`],
    [directory, link],
    [`${directory}/new`, `${link}/new`],
  ];
  for (const [one, other] of same) {
    test(`${one} is ${other}`, async () => {
      const store = [one, 'redis://third', other].join();
      const outcome = await dlock(['job', '--', 'true'], { store });
      assert.equal(outcome.exitCode, 64, String(outcome.stderr));
      assertLine(outcome, /lock "job": the list of stores names one of them twice/);
    });
  }

  test('what differs is not taken for the same', () => {
    const different = [
      'redis://host',
      'redis://host:6380',
      'redis://other',
      'redis://localhost',
      'redis://127.0.0.2',
      'memcache://host',
      'redis+sentinel://a,b/main',
      'redis+sentinel://a,b/other',
      'redis+unix:///run/one.sock',
      'redis+unix:///run/two.sock',
      directory,
      `${directory}/below`,
    ];
    const identities = placesOf(different.join()).flatMap((place) => place.identities());
    assert.equal(new Set(identities).size, different.length + 2);
  });
});
