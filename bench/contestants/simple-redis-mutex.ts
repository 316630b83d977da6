/** simple-redis-mutex, which waits on publications of the releases. */
import { lock, tryLock } from 'simple-redis-mutex';
import { openNodeRedis } from './clients.js';
import { type Contestant, plain } from './contestant.js';

export const simpleRedisMutex: Contestant = {
  name: 'simple-redis-mutex',
  packages: ['simple-redis-mutex', 'redis'],
  server: 'redis',
  limit: 'raw, node-redis',
  settings: 'all defaults (ttl 30 s; waits for a publication, and tries every 10 s)',
  lacks: {
    ...plain,
    renewal: 'does not renew by itself',
    telling: 'does not renew, and tells nothing',
  },
  key: (name) => `@simple-redis-mutex:lock-${name}`,
  async open({ redis }) {
    const client = await openNodeRedis(redis);
    return {
      async cycle(name) {
        const [taken, release] = await tryLock(client, name);
        if (!taken) throw new Error(`${name} is taken`);
        await release();
      },
      async section(name, body) {
        const release = await lock(client, name);
        try {
          await body();
        } finally {
          await release();
        }
      },
      hold: (name, timeout) => lock(client, name, { timeout }),
      async close() {
        await client.close();
      },
    };
  },
};
