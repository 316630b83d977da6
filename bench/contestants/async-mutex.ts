/** async-mutex: a line within one process and no server, the floor of what waiting can cost. */
import { Mutex } from 'async-mutex';
import { type Contestant, plain } from './contestant.js';

const reason = 'one process only, no server';

export const asyncMutex: Contestant = {
  name: 'async-mutex',
  packages: ['async-mutex'],
  server: 'none',
  settings: 'all defaults; the floor: no server, one process only',
  lacks: { ...plain, processes: reason, renewal: reason, telling: reason },
  key: (name) => name,
  async open() {
    const mutexes = new Map<string, Mutex>();
    const mutexOf = (name: string) => {
      const mutex = mutexes.get(name) ?? new Mutex();
      mutexes.set(name, mutex);
      return mutex;
    };
    return {
      async cycle(name) {
        const release = await mutexOf(name).acquire();
        release();
      },
      section: (name, body) => mutexOf(name).runExclusive(body),
      async hold(name) {
        const release = await mutexOf(name).acquire();
        return async () => release();
      },
      async close() {},
    };
  },
};
