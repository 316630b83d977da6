/** QuorumStore passes the conformance suite over real servers, and works over stores of all kinds. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { MemcacheStore } from 'dlock-js/memcache';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { MemcacheClient } from 'memcache-client';
import { eventually } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { listAll } from '../support/listing.js';
import { startMemcached, startRedis } from '../support/servers.js';
import { assertUnavailable, connect, cycle, startServers } from './quorum-servers.js';

const { members } = await startServers();

for (const size of [3, 5]) {
  testStore({
    name: `QuorumStore of ${size} Redis servers`,
    sharing: 'unlimited',
    fence: false,
    cases: size === 3 ? 'all' : 'essential',
    async create() {
      const [one, two] = [await members(size), await members(size)];
      return { store: new QuorumStore(one), other: new QuorumStore(two) };
    },
  });
}

test('quorum: of Redis, Memcached and a directory', async () => {
  await using redis = await startRedis();
  await using memcached = await startMemcached();
  const directory = await mkdtemp(join(tmpdir(), 'dlock-quorum-'));
  after(() => rm(directory, { recursive: true }));
  const client = await connect(redis.url);
  const memcache = new MemcacheClient({ server: memcached.address });
  after(() => memcache.shutdown());
  const open = (timeout: number) =>
    new QuorumStore(
      [new RedisStore(client), new MemcacheStore(memcache), new FileStore(directory)],
      { timeout },
    );
  const store = open(120_000);

  await cycle(store, open(120_000), 'mixed');
  // A lock that nobody has held: a release is known before the slowest member has heard of it, which
  // would then refuse the next holder, and two of three are enough for a lease.
  const lease = await tryAcquire(store, 'known');
  assert.ok(lease);
  assert.equal(lease.fence, undefined);
  const holders = async () => {
    const names = await listAll(directory);
    return [
      (await client.get('dlock:known')) === lease.token,
      (await memcache.get('dlock:known'))?.value === lease.token,
      names.join().includes(lease.token),
    ];
  };
  await eventually('all three know the holder', async () => (await holders()).every(Boolean));
  assert.equal(await lease.release(), true);
  await eventually('none of them holds it', async () => !(await holders()).some(Boolean));

  await memcached.freeze();
  await cycle(store, open(120_000), 'without Memcached');
  await redis.kill();
  await assertUnavailable(open(500), 'with a directory alone');
  await memcached.thaw();
  await eventually('two of three are enough', () =>
    cycle(open(2_000), open(2_000), 'without Redis').then(
      () => true,
      () => false,
    ),
  );
});
