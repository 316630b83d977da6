/** The installed package with every client, on everything that it runs on, against real servers. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { sharedMemcached, sharedRedis } from '../servers.js';
import { Consumer, readManifest, repository, runtimes } from './consumer.js';

const { devDependencies } = await readManifest(repository);
const clients = ['ioredis', 'memcache-client', 'redis'];
const consumer = await Consumer.create(
  Object.fromEntries(clients.map((name) => [name, devDependencies[name] ?? '*'])),
);
after(() => consumer[Symbol.asyncDispose]());
const servers = [await sharedRedis(), await sharedMemcached()];

describe('every store', { concurrency: 3 }, () => {
  for (const [name, find] of Object.entries(runtimes)) {
    test(`works on ${name}`, async () => {
      const args = [...servers, join(consumer.folder, 'locks')];
      const options = { runtime: await find(), args, timeout: 120_000 };
      const printed = await consumer.runConsumer('stores.mjs', options);
      assert.equal(printed, 'redis ioredis memcache file memory');
    });
  }
});

const native = ['Node.js 24', 'Node.js 26', 'Bun', 'Deno'];
for (const [name, find] of Object.entries(runtimes).filter(([name]) => native.includes(name))) {
  test(`await using works on ${name}, in TypeScript as it is written`, async () => {
    await consumer.runConsumer('await-using.ts', { runtime: await find() });
  });
}
