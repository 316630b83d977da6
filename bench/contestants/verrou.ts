/** @verrou/core with its Redis driver. */
import { Verrou } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import { openIoredis } from './clients.js';
import { type Contestant, plain, ttl } from './contestant.js';

/** Other peers name their keys as plainly. */
const key = (name: string) => `verrou:${name}`;

export const verrou: Contestant = {
  name: '@verrou/core',
  packages: ['@verrou/core', 'ioredis'],
  server: 'redis',
  limit: 'raw, ioredis',
  settings: 'all defaults (retry every 250 ms without limit)',
  lacks: {
    ...plain,
    renewal: 'does not renew by itself',
    telling: 'does not renew, and tells nothing: isExpired() has to be asked',
  },
  key,
  async open({ redis }) {
    const client = await openIoredis(redis);
    const locks = new Verrou({
      default: 'redis',
      stores: { redis: { driver: redisStore({ connection: client }) } },
    });
    return {
      async cycle(name) {
        const lock = locks.createLock(key(name), ttl);
        if (!(await lock.acquireImmediately())) throw new Error(`${name} is taken`);
        await lock.release();
      },
      async section(name, body) {
        await locks.createLock(key(name), ttl).run(body);
      },
      async hold(name, ttl) {
        const lock = locks.createLock(key(name), ttl);
        if (!(await lock.acquire())) throw new Error(`${name} is taken`);
        return () => lock.release();
      },
      async close() {
        await client.quit();
      },
    };
  },
};
