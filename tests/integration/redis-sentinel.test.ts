/** RedisStore and IoredisStore behind Sentinel: a master, two replicas, three sentinels. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { BasicPooledClientSideCache, createSentinel, RESP_TYPES } from 'redis';
import { createSentinel as createSentinel5 } from 'redis5';
import { eventually, thief } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { openIoredis, openNodeRedis } from '../support/sentinel-clients.js';
import { startSentinelGroup } from '../support/servers/sentinel.js';

const group = await startSentinelGroup();
after(() => group.stop());

const clients = {
  'RedisStore, a sentinel of node-redis 6': openNodeRedis,
  'IoredisStore, sentinels of ioredis 6': openIoredis,
};

for (const [name, open] of Object.entries(clients)) {
  testStore({
    name,
    cases: 'essential',
    queue: true,
    sharing: true,
    async create() {
      const [one, two] = [await open(group), await open(group)];
      const close = async () => {
        await one.close();
        await two.close();
      };
      return { store: one.store, other: two.store, close };
    },
  });
}

const creators = { 'node-redis 6': createSentinel, 'node-redis 5': createSentinel5 };

for (const [version, create] of Object.entries(creators)) {
  test(`a sentinel of ${version} set to give numbers as strings: every operation works`, async (t) => {
    const client = (create as typeof createSentinel)({
      name: group.name,
      sentinelRootNodes: [...group.sentinels],
      commandOptions: { typeMapping: { [RESP_TYPES.NUMBER]: String } },
    });
    client.on('error', () => {});
    await client.connect();
    t.after(() => client.destroy());
    assert.equal(typeof (await client.incr('counter')), 'string');
    const store = new RedisStore(client);
    await using lease = await tryAcquire(store, 'strings');
    assert.ok(Number.isSafeInteger(lease?.fence));
    assert.equal(await tryAcquire(store, 'strings'), null);
    await lease?.extend();
    assert.equal(await lease?.release(), true);
    assert.equal(typeof (await client.incr('counter')), 'string', 'the client stays as it was');
  });
}

test('a cache on the client’s side of a sentinel keeps what it holds while somebody is woken', async (t) => {
  const clientSideCache = new BasicPooledClientSideCache();
  const { name, sentinels } = group;
  const client = createSentinel({
    name,
    sentinelRootNodes: [...sentinels],
    RESP: 3,
    clientSideCache,
  });
  client.on('error', () => {});
  await client.connect();
  t.after(() => client.destroy());
  const { store: holder, close } = await openIoredis(group);
  t.after(close);
  await client.set('cached', 'value');
  assert.equal(await client.get('cached'), 'value');
  assert.equal(clientSideCache.size(), 1);
  const store = new RedisStore(client);
  await holder.acquire('cached', thief, 60_000);
  const wakes = { count: 0 };
  const watch = await store.watch('cached', () => {
    wakes.count += 1;
  });
  await holder.release('cached', thief);
  await eventually('it is woken', () => wakes.count === 1);
  await watch[Symbol.asyncDispose]();
  await delay(200);
  assert.equal(clientSideCache.size(), 1);
  assert.equal(await client.get('cached'), 'value');
  assert.equal(clientSideCache.stats().hitCount, 1);
});
