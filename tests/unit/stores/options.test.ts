/** The options of every store are checked when it is made; an error shows what was received. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { GlideClient } from '@valkey/valkey-glide';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import type { LockStore } from '../../../src/store.js';
import { FileStore } from '../../../src/stores/file/file.js';
import { MemcacheStore } from '../../../src/stores/memcache.js';
import { MemoryStore } from '../../../src/stores/memory.js';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { GlideStore } from '../../../src/stores/redis/glide.js';
import { IoredisStore } from '../../../src/stores/redis/ioredis.js';
import { RedisStore } from '../../../src/stores/redis/redis.js';

type Create = (options?: object) => LockStore;

const addresses = [{ host: '127.0.0.1', port: 1 }];
const glide = await GlideClient.createClient({ addresses, lazyConnect: true });
after(() => glide.close());

/** None of their clients is ever connected. */
const keyed: Record<string, Create> = {
  RedisStore: (options) => new RedisStore(createClient(), options),
  IoredisStore: (options) => new IoredisStore(new Redis({ lazyConnect: true }), options),
  GlideStore: (options) => new GlideStore(glide, options),
  MemcacheStore: (options) => new MemcacheStore(new MemcacheClient({ server: 'a:1' }), options),
};
const unkeyed: Record<string, Create> = {
  MemoryStore: (options) => new MemoryStore(options),
  FileStore: (options) => new FileStore('locks', options),
  QuorumStore: (options) => new QuorumStore([new MemoryStore()], options),
};

for (const [name, create] of Object.entries({ ...keyed, ...unkeyed })) {
  test(`${name}: the defaults, also for options that are undefined`, () => {
    const maybe = { ttl: undefined, timeout: undefined };
    for (const store of [create(), create(undefined), create({}), create(maybe)]) {
      assert.deepEqual([store.ttl, store.timeout], [30_000, 5_000]);
    }
    const { ttl, timeout } = create({ ttl: 1_000, timeout: 50 });
    assert.deepEqual([ttl, timeout], [1_000, 50]);
  });

  test(`${name}: times that no store can have`, () => {
    for (const option of ['ttl', 'timeout']) {
      for (const ms of ['5s', '5000', null, true, [5_000], {}, 5_000n]) {
        const refused = { name: 'TypeError', message: new RegExp(`^${option} of ${name} must be`) };
        assert.throws(() => create({ [option]: ms }), refused, String(ms));
      }
      for (const ms of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
        assert.throws(() => create({ [option]: ms }), {
          name: 'RangeError',
          message: new RegExp(`^${option} of ${name} must be .*, not ${ms}$`),
        });
      }
    }
    assert.throws(() => create({ ttl: '5s' }), {
      message: `ttl of ${name} must be a number of milliseconds, not "5s"`,
    });
  });

  test(`${name}: options that do not exist, or are no object`, () => {
    const listener = name === 'GlideStore' ? ', listener' : '';
    const takes = name in keyed ? `prefix, ttl, timeout${listener}` : 'ttl, timeout';
    assert.throws(() => create({ tll: 5_000 }), {
      name: 'TypeError',
      message: `Unknown option "tll" of ${name}: it takes ${takes}`,
    });
    for (const options of [null, 'dlock:', 5_000, () => {}]) {
      assert.throws(() => create(options as never), TypeError);
    }
  });
}

for (const [name, create] of Object.entries(keyed)) {
  test(`${name}: a prefix is text that does not begin with NUL, and may be empty`, () => {
    create({ prefix: '' });
    create({ prefix: undefined });
    for (const prefix of [5, null, {}, ['dlock:']]) {
      assert.throws(() => create({ prefix }), { name: 'TypeError', message: /^prefix of / });
    }
    for (const prefix of ['\0', '\0dlock:', '\ud800', 'dlock:\udfff']) {
      assert.throws(() => create({ prefix }), {
        name: 'RangeError',
        message: new RegExp(`^prefix of ${name} must be .*, not "`),
      });
    }
  });
}

test('only Memcached limits the length of a prefix, and its characters', () => {
  for (const prefix of ['with space', 'é', 'n\n', 'p'.repeat(187)]) {
    keyed.RedisStore?.({ prefix });
    keyed.IoredisStore?.({ prefix });
    assert.throws(() => keyed.MemcacheStore?.({ prefix }), RangeError);
  }
  keyed.MemcacheStore?.({ prefix: 'p'.repeat(186) });
});

for (const [name, create] of Object.entries(unkeyed)) {
  test(`${name}: has no prefix`, () => {
    assert.throws(() => create({ prefix: 'dlock:' }), /Unknown option "prefix"/);
  });
}

test('a ttl above what the store can represent is refused', () => {
  const members = [new MemoryStore(), new MemcacheStore(new MemcacheClient({ server: 'a:1' }))];
  const limited = [
    keyed.MemcacheStore,
    unkeyed.FileStore,
    (options: object) => new QuorumStore(members, options),
  ];
  for (const create of limited) {
    const maxTtl = create?.({})?.maxTtl;
    assert.ok(maxTtl);
    create?.({ ttl: maxTtl });
    assert.throws(() => create?.({ ttl: maxTtl + 1 }), {
      name: 'RangeError',
      message: new RegExp(`^ttl of \\w+ must be .* to ${maxTtl}, not ${maxTtl + 1}$`),
    });
  }
});
