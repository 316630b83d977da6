/** redlock-universal, on one server. */
import { createLock, type Lock, NodeRedisAdapter } from 'redlock-universal';
import { openNodeRedis } from './clients.js';
import { type Contestant, holdWhile, plain, ttl } from './contestant.js';

/** Other peers name their keys as plainly. */
const key = (name: string) => `universal:${name}`;

export const redlockUniversal: Contestant = {
  name: 'redlock-universal',
  packages: ['redlock-universal', 'redis'],
  server: 'redis',
  limit: 'raw, node-redis',
  settings:
    'performance: lean for the cycles; else defaults (retry every 100 ms), but no limit to the retries; one lock object a name, since each new one sends a PING first',
  lacks: plain,
  key,
  async open({ redis }) {
    const client = await openNodeRedis(redis);
    const adapter = new NodeRedisAdapter(client);
    const retryAttempts = Number.MAX_SAFE_INTEGER;
    const lean = remembered((name) =>
      createLock({ adapter, key: key(name), ttl, performance: 'lean' }),
    );
    const waiting = remembered((name) =>
      createLock({ adapter, key: key(name), ttl, retryAttempts }),
    );
    return {
      async cycle(name) {
        const lock = lean(name);
        await lock.release(await lock.acquire());
      },
      section: (name, body) => waiting(name).using(body),
      hold: (name, ttl, onLost) =>
        holdWhile((body) =>
          createLock({ adapter, key: key(name), ttl, retryAttempts }).using((signal) => {
            signal.addEventListener('abort', onLost);
            return body();
          }),
        ),
      async close() {
        await client.close();
      },
    };
  },
};

function remembered(create: (name: string) => Lock): (name: string) => Lock {
  const locks = new Map<string, Lock>();
  return (name) => {
    const lock = locks.get(name) ?? create(name);
    locks.set(name, lock);
    return lock;
  };
}
