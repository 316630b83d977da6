/**
 * Prefixes, and the lack of one: locks of callers, locks of Dlock itself (their names begin with two
 * NULs) and fences never meet in one key, whatever the names.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type LockStore, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { MemoryStore } from 'dlock-js/memory';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import { allKeys } from '../support/memcached-talk.js';
import { randomNames } from '../support/random-names.js';
import { startMemcached, startRedis } from '../support/servers.js';

const redis = await startRedis();
const memcached = await startMemcached();

const nodeRedis = await createClient({ url: redis.url }).connect();
const ioredis = new Redis(redis.url);
const memcache = new MemcacheClient({ server: memcached.address });
const directory = await mkdtemp(join(tmpdir(), 'dlock-prefixes-'));
after(async () => {
  nodeRedis.destroy();
  ioredis.disconnect();
  memcache.shutdown();
  await Promise.all([redis.stop(), memcached.stop(), rm(directory, { recursive: true })]);
});

type Create = (options: { prefix?: string }) => LockStore;
const onRedis: Record<string, Create> = {
  RedisStore: (options) => new RedisStore(nodeRedis, { ...options, timeout: 60_000 }),
  IoredisStore: (options) => new IoredisStore(ioredis, { ...options, timeout: 60_000 }),
};
const onMemcached: Create = (options) =>
  new MemcacheStore(memcache, { ...options, timeout: 60_000 });

/** Names of callers, near each other's and near what Dlock makes of them. */
const callers = [
  ...[
    'import',
    'import@2026',
    '[',
    '["import","2026"]',
    ' \0import',
    'a\0',
    'a\0\0',
    'dlock:import',
  ],
  ...randomNames(500).filter((name) => !name.startsWith('\0')),
];
/** Names of Dlock itself, such as those of periods. */
const own = callers.map((name) => `\0\0${JSON.stringify([name, 'import'])}`);

for (const [name, create] of Object.entries(onRedis)) {
  describe(`${name} without a prefix`, () => {
    test('the key of a lock is its name', async () => {
      await nodeRedis.flushDb();
      await using lease = await tryAcquire(create({ prefix: '' }), 'import');
      assert.equal(await nodeRedis.get('import'), lease?.token);
      assert.equal(await nodeRedis.get('\0import'), `${lease?.fence}`);
      assert.equal(await nodeRedis.dbSize(), 2);
    });

    test('no lock is another one, nor the fence of one', async () => {
      await nodeRedis.flushDb();
      const store = create({ prefix: '' });
      const names = [...new Set([...callers, ...own])];
      const take = (lock: string) => store.acquire(lock, `token of ${lock}`, 600_000);
      const attempts = await Promise.all(names.map(take));
      for (const [index, { granted }] of attempts.entries()) {
        assert.ok(granted, JSON.stringify(names[index]));
      }
      // One key for each lock, and one for each fence: none is both.
      assert.equal(await nodeRedis.dbSize(), 2 * names.length);
      for (const lock of names) {
        assert.equal(await nodeRedis.get(lock), `token of ${lock}`);
        assert.match((await nodeRedis.get(`\0${lock}`)) ?? '', /^\d{16}$/);
      }
      assert.ok(
        (await Promise.all(names.map((lock) => store.release(lock, `token of ${lock}`)))).every(
          Boolean,
        ),
      );
      assert.equal(await nodeRedis.dbSize(), names.length, 'the fences are left');
    });

    test('another library on the same keys excludes it', async () => {
      await nodeRedis.flushDb();
      await nodeRedis.set('import', 'theirs', { expiration: { type: 'PX', value: 60_000 } });
      assert.equal(await tryAcquire(create({ prefix: '' }), 'import'), null);
      assert.equal(await nodeRedis.get('import'), 'theirs');
    });
  });
}

describe('MemcacheStore without a prefix', () => {
  test('the key of a lock is its name, or a hash', async () => {
    const store = onMemcached({ prefix: '' });
    const names = [...new Set([...callers, ...own])];
    const attempts = await Promise.all(names.map((lock) => store.acquire(lock, 'token', 600_000)));
    assert.ok(attempts.every(({ granted }) => granted));
    const keys = await allKeys(memcached.address);
    assert.equal(new Set(keys).size, names.length);
    assert.ok(keys.includes('import'));
    await Promise.all(names.map((lock) => store.release(lock, 'token')));
  });
});

describe('names that differ in leading NULs alone are different locks', () => {
  const stores: Record<string, () => LockStore> = {
    RedisStore: () => onRedis.RedisStore?.({}) as LockStore,
    IoredisStore: () => onRedis.IoredisStore?.({}) as LockStore,
    MemcacheStore: () => onMemcached({}),
    'MemcacheStore without a prefix': () => onMemcached({ prefix: '' }),
    FileStore: () => new FileStore(directory),
    MemoryStore: () => new MemoryStore(),
  };
  for (const [name, create] of Object.entries(stores)) {
    test(name, async () => {
      const store = create();
      const names = ['', '\0', '\0\0', '\0\0\0'].map((nuls) => `${nuls}same ${name}`);
      for (const [index, lock] of names.entries()) {
        const { granted } = await store.acquire(lock, `holder-${index}`, 60_000);
        assert.equal(granted, true, JSON.stringify(lock));
      }
      for (const [index, lock] of names.entries()) {
        assert.equal(await store.release(lock, `holder-${index}`), true);
      }
    });
  }
});
