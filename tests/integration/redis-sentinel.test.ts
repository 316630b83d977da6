/** RedisStore and IoredisStore behind Sentinel: a master, two replicas, three sentinels. */
import { after } from 'node:test';
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
