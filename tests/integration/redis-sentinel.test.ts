/** RedisStore and IoredisStore behind Sentinel: a master, two replicas, three sentinels. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tryAcquire } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createSentinel, RESP_TYPES } from 'redis';
import { createSentinel as createSentinel5 } from 'redis5';
import { testStore } from '../../src/testing/index.js';
import { openIoredis, openNodeRedis } from '../sentinel-clients.js';
import { startSentinelGroup } from '../servers/sentinel.js';

const group = await startSentinelGroup();
after(() => group.stop());

const clients = {
  'RedisStore, a sentinel of node-redis 6': openNodeRedis,
  'IoredisStore, sentinels of ioredis 6': openIoredis,
};

for (const [name, open] of Object.entries(clients)) {
  testStore({
    name,
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
