/** How the command finds its store: hosts, sockets, prefixes, and what it says of them. */
import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { execa } from 'execa';
import { createClient } from 'redis';
import { UsageError } from '../../src/cli/arguments.js';
import { placesOf } from '../../src/cli/store-url.js';
import {
  assertLine,
  cli,
  dlock,
  fileStore,
  fresh,
  home,
  root,
  running,
} from '../support/command.js';
import { provide } from '../support/servers/install.js';
import { memcached, redis } from '../support/servers/kinds.js';
import { startProcess } from '../support/servers/processes.js';
import { startSilentServer } from '../support/servers/silent.js';
import { type OwnServer, sharedMemcached, sharedRedis, startRedis } from '../support/servers.js';

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === '::1');
const noIpv6 = hasIpv6 ? false : 'this machine has no IPv6';

/** The lock is held while the command runs, and a second dlock is refused. */
async function assertExcludes(store: string): Promise<void> {
  const job = fresh('job');
  const { started } = await running([job], 'exec sleep 60', { store });
  const held = await dlock([job, '--', 'true'], { store });
  assert.equal(held.exitCode, 75, String(held.stderr));
  started.kill('SIGTERM');
  await started;
  const free = await dlock([job, '--', 'true'], { store });
  assert.equal(free.exitCode, 0, String(free.stderr));
}

describe('hosts and sockets', { concurrency: 3 }, () => {
  const password = 'a%b/c@d';
  const secret = encodeURIComponent(password);
  let server: OwnServer;
  let socket: string;

  before(async () => {
    await provide(redis);
    socket = join(home, 'redis socket%.sock');
    const addresses = ['--bind', '127.0.0.1', ...(hasIpv6 ? ['::1'] : [])];
    server = await startProcess(redis, [...addresses, '--unixsocket', socket]);
    const client = await createClient({ url: `redis://127.0.0.1:${server.port}` }).connect();
    await client.aclSetUser('worker', ['on', `>${password}`, '~*', '&*', '+@all']);
    client.destroy();
  });
  after(() => server.stop());

  test('an IPv6 host of Redis', { skip: noIpv6 }, () =>
    assertExcludes(`redis://[::1]:${server.port}`),
  );

  for (const version of ['redis4', 'redis5', 'redis']) {
    test(`an IPv6 host, a socket and a user, with the package ${version}`, async () => {
      const place = fresh(version);
      await mkdir(join(place, 'node_modules'), { recursive: true });
      await symlink(join(root, 'node_modules', version), join(place, 'node_modules', 'redis'));
      await writeFile(join(place, 'package.json'), '{"type":"module"}');
      await writeFile(join(place, 'cli.js'), await readFile(cli));
      const host = hasIpv6 ? '[::1]' : '127.0.0.1';
      const path = encodeURI(socket);
      for (const store of [
        `redis://worker:${secret}@${host}:${server.port}/1`,
        `redis+unix://worker:${secret}@${path}?db=1`,
        `redis+unix://${path}`,
      ]) {
        const args = [join(place, 'cli.js'), '--store', store, place, '--', 'echo', 'ran'];
        const { exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false });
        assert.deepEqual([exitCode, stdout, stderr], [0, 'ran', ''], store);
      }
    });
  }

  test('a socket of Redis: the database is the one that is named', async () => {
    const store = `redis+unix://worker:${secret}@${encodeURI(socket)}?db=3`;
    const url = `redis://127.0.0.1:${server.port}/3`;
    const { started } = await running(['job'], 'exec sleep 60', { store });
    assert.equal((await dlock(['job', '--', 'true'], { store: url })).exitCode, 75);
    started.kill('SIGTERM');
    await started;
  });

  test('an IPv6 host of Memcached', { skip: noIpv6 }, async () => {
    await provide(memcached);
    await using server = await startProcess(memcached, ['-l', '::1']);
    await assertExcludes(`memcache://[::1]:${server.port}`);
  });

  for (const store of [
    'redis+unix://',
    'redis+unix:///',
    'redis+unix://host/path',
    'redis+unix:///path?database=1',
    'redis+unix:///path?db=one',
    'redis+unix://:secret#wort@/path',
    'redis+unix://:secret/wort@/path',
    'redis://127.0.0.1:0',
    'redis://127.0.0.1?db=1',
  ]) {
    test(`64 for ${store}, and no password is shown`, async () => {
      const outcome = await dlock(['-v', 'job', '--', 'true'], { store });
      assert.equal(outcome.exitCode, 64, String(outcome.stderr));
      assertLine(outcome, /the URL/);
      assert.doesNotMatch(String(outcome.stderr), /secret|wort/);
    });
  }
});

describe('a raw percent sign is 64, with a message that says how to write it', {
  concurrency: 3,
}, () => {
  const nobody = '127.0.0.1:1';
  for (const store of [
    `redis://:secret%@${nobody}`,
    `redis://:100%secret@${nobody}`,
    `redis://us%er:secret@${nobody}`,
    `rediss://:secret%zz@${nobody}`,
    `rediss://${nobody}?cacert=/secret%`,
    'redis+unix://:secret%@/path',
    'redis+unix:///path%',
    `redis+cluster://:secret%@${nobody}`,
    `redis+sentinel://:secret%@${nobody}/main`,
    `redis+sentinel://${nobody}/main%`,
    'file:///directory%',
    `file:///directory,redis://:secret%@${nobody}`,
  ]) {
    test(store, async () => {
      for (const outcome of [
        await dlock(['job', '--', 'true'], { store }),
        await dlock(['--store', store, 'job', '--', 'true']),
      ]) {
        assert.equal(outcome.exitCode, 64, String(outcome.stderr));
        assertLine(outcome, /lock "job": .*written %25 \(see dlock --help\)/);
        assert.doesNotMatch(String(outcome.stderr), /secret/);
      }
    });
  }
});

describe('--prefix', { concurrency: 3 }, () => {
  test('is what the keys in Redis begin with', async () => {
    const store = await sharedRedis();
    const client = await createClient({ url: store }).connect();
    const job = fresh('job');
    const { started } = await running(['--prefix', 'app:', job], 'exec sleep 60', { store });
    assert.deepEqual(
      [await client.exists(`app:${job}`), await client.exists(`dlock:${job}`)],
      [1, 0],
    );
    client.destroy();
    assert.equal((await dlock([job, '--', 'true'], { store })).exitCode, 0);
    assert.equal((await dlock(['--prefix=app:', job, '--', 'true'], { store })).exitCode, 75);
    started.kill('SIGTERM');
    await started;
  });

  test('is what the keys in Memcached, and in all members of a quorum, begin with', async () => {
    const memcache = `memcache://${await sharedMemcached()}`;
    const store = `${memcache},${await sharedRedis()}`;
    const job = fresh('job');
    const { started } = await running(['--prefix', 'app:', job], 'exec sleep 60', { store });
    for (const member of store.split(',')) {
      const held = await dlock(['--prefix', 'app:', job, '--', 'true'], { store: member });
      assert.equal(held.exitCode, 75, member);
    }
    assert.equal((await dlock([job, '--', 'true'], { store: memcache })).exitCode, 0);
    started.kill('SIGTERM');
    await started;
  });

  test('64 where the store has none, and for one that it does not take, before any connection', async () => {
    await using server = await startSilentServer();
    const memcache = `memcache://127.0.0.1:${server.port}`;
    const redis = `redis://127.0.0.1:${server.port}`;
    for (const [store, prefix] of [
      [fileStore(), 'app:'],
      ['', 'app:'],
      [`${redis},${fileStore()}`, 'app:'],
      [memcache, 'two words'],
      [`${redis},${memcache}`, 'two words'],
      [memcache, 'é'],
    ] as const) {
      const outcome = await dlock(['--prefix', prefix, 'job', '--', 'true'], { store });
      assert.equal(outcome.exitCode, 64, String(outcome.stderr));
      assertLine(outcome, /prefix/);
    }
  });
});

describe('-v names the store that is in use, without its password', { concurrency: 3 }, () => {
  const described = async (store: string, args: string[] = []) => {
    const outcome = await dlock(['-v', ...args, 'job', '--', 'true'], { store });
    return String(outcome.stderr).split('\n')[0];
  };

  test('of DLOCK_STORE, of --store, and the forgotten one', async () => {
    await using server = await startRedis(['--requirepass', 'secret word']);
    const { port } = server;
    const url = `redis://:secret%20word@127.0.0.1:${port}`;
    const line = `dlock: lock "job": the store is redis://127.0.0.1:${port}/0`;
    assert.equal(await described(url), line);
    assert.equal(await described('', ['--store', url]), line);
    assert.match(
      String(await described('')),
      /no store is named; the lock is one of this machine alone, in \/\S+dlock/,
    );
  });

  test('of every kind', async () => {
    const directory = fileStore();
    for (const [store, name] of [
      ['rediss://user:secret@[::1]:1/2', 'rediss://[::1]:1/2'],
      ['redis+unix://:secret@/none?db=2', 'redis+unix:///none?db=2'],
      ['redis+cluster://:secret@127.0.0.1:1,[::1]:1', 'redis+cluster://127.0.0.1:1,[::1]:1'],
      ['redis+sentinel://u:secret@127.0.0.1:1/main', 'redis+sentinel://127.0.0.1:1/main'],
      ['memcache://127.0.0.1:1', 'memcache://127.0.0.1:1'],
      [directory, directory],
    ] as const) {
      assert.equal(await described(store), `dlock: lock "job": the store is ${name}`);
    }
    const quorum = `redis://:secret@127.0.0.1:1,${directory},${pathToFileURL(fresh('other')).href}`;
    assert.match(
      String(await described(quorum)),
      /the store is a majority of redis:\/\/127\.0\.0\.1:1\/0, file:\S+, file:\S+$/,
    );
  });
});

test('an unknown store is an error of usage', () => {
  assert.throws(() => placesOf('ftp://host'), UsageError);
});
