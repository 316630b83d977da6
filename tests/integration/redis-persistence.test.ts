/** RedisStore on a server that writes all down: what it promises over a restart. */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';
import { testStore } from '../../src/testing/index.js';
import { startRedis } from '../support/servers.js';

/** Where a process of this machine puts it, and a container beside what else it has. */
const directory = `dlock-append-only-${process.pid}`;
after(() => rm(join(tmpdir(), directory), { recursive: true, force: true }));

testStore({
  name: 'RedisStore, a server that writes each change down',
  queue: true,
  sharing: true,
  persistent: true,
  cases: 'essential',
  async create() {
    const server = await startRedis(
      `--appendonly yes --appendfsync always --appenddirname ${directory}`.split(' '),
    );
    const open = async () => {
      const client = createClient({ url: server.url }).on('error', () => {});
      return { client: await client.connect(), store: new RedisStore(client) };
    };
    const [one, two] = [await open(), await open()];
    return {
      store: one.store,
      other: two.store,
      async restart() {
        await server.restart();
        return one.store;
      },
      async close() {
        for (const { client } of [one, two]) client.destroy();
        await server.stop();
      },
    };
  },
});
