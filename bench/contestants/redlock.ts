/** redlock 5 beta, on one server. */
import Redlock from 'redlock';
import { openIoredis } from './clients.js';
import { type Contestant, holdWhile, plain, ttl } from './contestant.js';

/** Other peers name their keys as plainly. */
const key = (name: string) => `redlock:${name}`;

export const redlock: Contestant = {
  name: 'redlock',
  packages: ['redlock', 'ioredis'],
  server: 'redis',
  limit: 'raw, ioredis',
  settings: 'defaults (retry every 200 ± 100 ms), but no limit to the retries',
  lacks: plain,
  key,
  async open({ redis }) {
    const client = await openIoredis(redis);
    const locks = new Redlock([client], { retryCount: -1 });
    return {
      async cycle(name) {
        const lock = await locks.acquire([key(name)], ttl);
        await lock.release();
      },
      section: (name, body) => locks.using([key(name)], ttl, body),
      hold: (name, ttl, onLost) =>
        holdWhile((body) =>
          locks.using([key(name)], ttl, (signal) => {
            signal.addEventListener('abort', onLost);
            return body();
          }),
        ),
      async close() {
        await client.quit();
      },
    };
  },
};
