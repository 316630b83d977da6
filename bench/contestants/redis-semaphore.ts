/** redis-semaphore's Mutex and Semaphore. */
import { Mutex, Semaphore } from 'redis-semaphore';
import { openIoredis } from './clients.js';
import { type Contestant, plain, ttl } from './contestant.js';

export const redisSemaphore: Contestant = {
  name: 'redis-semaphore',
  packages: ['redis-semaphore', 'ioredis'],
  server: 'redis',
  limit: 'raw, ioredis',
  settings: 'defaults (retry every 10 ms, refresh at 0.8 of the ttl), but no limit to the wait',
  lacks: { reading: plain.reading },
  key: (name) => `mutex:${name}`,
  async open({ redis }) {
    const client = await openIoredis(redis);
    const options = { lockTimeout: ttl, acquireTimeout: 24 * 3_600_000 };
    return {
      async cycle(name) {
        const mutex = new Mutex(client, name, options);
        if (!(await mutex.tryAcquire())) throw new Error(`${name} is taken`);
        await mutex.release();
      },
      async section(name, body) {
        const mutex = new Mutex(client, name, options);
        await mutex.acquire();
        try {
          await body();
        } finally {
          await mutex.release();
        }
      },
      async place(name, places, body) {
        const semaphore = new Semaphore(client, name, places, options);
        await semaphore.acquire();
        try {
          await body();
        } finally {
          await semaphore.release();
        }
      },
      async hold(name, lockTimeout, onLockLost) {
        const mutex = new Mutex(client, name, { ...options, lockTimeout, onLockLost });
        await mutex.acquire();
        return () => mutex.release();
      },
      async close() {
        await client.quit();
      },
    };
  },
};
