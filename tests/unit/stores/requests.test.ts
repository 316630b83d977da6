/** Whoever calls a store directly, as an editor suggests, is told what to call, and gets no grant. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import type { LockStore } from '../../../src/store.js';
import { FileStore } from '../../../src/stores/file/file.js';
import { MemcacheStore } from '../../../src/stores/memcache.js';
import { MemoryStore } from '../../../src/stores/memory.js';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { IoredisStore } from '../../../src/stores/redis/ioredis.js';
import { RedisStore } from '../../../src/stores/redis/redis.js';

const directory = await mkdtemp(join(tmpdir(), 'dlock-requests-'));
after(() => rm(directory, { recursive: true }));
const memory = new MemoryStore();

/** None of their clients is ever connected: what is refused is refused before any request. */
const stores: LockStore[] = [
  memory,
  new FileStore(directory),
  new RedisStore(createClient()),
  new IoredisStore(new Redis({ lazyConnect: true })),
  new MemcacheStore(new MemcacheClient({ server: '127.0.0.1:1' })),
  new QuorumStore([memory]),
];

/** What somebody writes who takes the methods of a store for those of the library. */
const mistakes: Record<string, unknown[][]> = {
  acquire: [
    ['import'],
    ['import', { ttl: 5_000 }],
    ['import', 5_000],
    ['import', 'mine'],
    ['import', 'mine', '5s'],
    ['import', 'mine', NaN],
    ['import', '', 5_000],
    [],
  ],
  extend: [['import'], ['import', 5_000], ['import', 'mine'], ['import', 'mine', {}]],
  release: [['import'], ['import', {}], ['import', '']],
};
const instead: Record<string, RegExp> = {
  acquire: /call tryAcquire\(store, name\) instead$/,
  extend: /call extend\(\) of the lease instead$/,
  release: /call release\(\) of the lease instead$/,
};

for (const store of stores) {
  for (const [operation, calls] of Object.entries(mistakes)) {
    test(`${store.constructor.name}: ${operation} without a token or a ttl`, async () => {
      for (const call of calls) {
        const method = store[operation as 'acquire'] as (...args: unknown[]) => Promise<unknown>;
        const refused = { name: 'TypeError', message: instead[operation] };
        await assert.rejects(method.apply(store, call), refused, JSON.stringify(call));
      }
    });
  }
}

test('nothing was granted, nothing made', async () => {
  assert.deepEqual(await readdir(directory), []);
  assert.equal((await memory.acquire('import', 'a', 60_000)).granted, true);
});
