/** The examples of web servers do what they say. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { buildServer, type PlaceOrder } from '../../examples/fastify-per-customer.js';
import { tryAcquire } from '../../src/api/acquire.js';
import { FileStore } from '../../src/stores/file/file.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { RedisStore } from '../../src/stores/redis/redis.js';
import { startRedis } from '../support/servers.js';
import { compile } from '../support/workers.js';
import { ownDirectory, twoStores } from './two-stores.js';

describe('the server that takes the orders of a customer in turn', { concurrency: true }, () => {
  /** The most orders that were being placed at the same time, of all that these two requests made. */
  async function crowd(urls: [string, string]) {
    let placing = 0;
    let most = 0;
    const placeOrder: PlaceOrder = async (customer, signal) => {
      placing++;
      most = Math.max(most, placing);
      await sleep(500, undefined, { signal });
      placing--;
      return { customer };
    };
    const servers = twoStores().map((store) => buildServer(store, placeOrder));
    const requests = servers.map((server, index) => server.inject().post(urls[index] ?? ''));
    const replies = await Promise.all(requests);
    const customers = replies.map((reply) => reply.json().customer);
    return { most, customers, codes: replies.map(({ statusCode }) => statusCode) };
  }

  test('two of one customer do not overlap, on two servers', async () => {
    const { most, customers, codes } = await crowd([
      '/customers/42/orders',
      '/customers/42/orders',
    ]);
    assert.deepEqual(
      { most, customers, codes },
      { most: 1, customers: ['42', '42'], codes: [200, 200] },
    );
  });

  test('nor on one', async () => {
    let placing = 0;
    const server = buildServer(new MemoryStore(), async () => {
      assert.equal(++placing, 1);
      await sleep(100);
      return { left: --placing };
    });
    const order = () => server.inject().post('/customers/42/orders');
    const replies = await Promise.all([order(), order(), order()]);
    assert.deepEqual(
      replies.map(({ statusCode }) => statusCode),
      [200, 200, 200],
    );
  });

  test('those of two customers may', async () => {
    const { most, customers } = await crowd(['/customers/42/orders', '/customers/43/orders']);
    assert.deepEqual({ most, customers }, { most: 2, customers: ['42', '43'] });
  });

  test('who had to wait for too long is told when to come again', async () => {
    const store = new MemoryStore();
    await using lease = await tryAcquire(store, 'customer 42');
    assert.ok(lease);
    const server = buildServer(store, () => assert.fail('this must not run'));
    const { statusCode, headers } = await server.inject().post('/customers/42/orders');
    assert.deepEqual([statusCode, headers['retry-after']], [503, '5']);
  });

  test('an order is broken off when the lease is lost', async () => {
    const directory = ownDirectory();
    const server = buildServer(new FileStore(directory, { ttl: 600 }), async (_, signal) => {
      await rm(directory, { recursive: true });
      return sleep(60_000, {}, { signal });
    });
    const begin = performance.now();
    const { statusCode } = await server.inject().post('/customers/42/orders');
    assert.equal(statusCode, 500);
    assert.ok(performance.now() - begin < 30_000);
  });
});

test('a route handler that is loaded anew keeps its connection', async () => {
  await using server = await startRedis();
  const before = process.env.REDIS_URL;
  process.env.REDIS_URL = server.url;
  const own = createClient({ url: server.url });
  own.on('error', () => {});
  await own.connect();
  const clients = async () => String(await own.sendCommand(['CLIENT', 'LIST', 'TYPE', 'normal']));
  const count = async () => (await clients()).trim().split('\n').length - 1;

  const program = compile(new URL('../../examples/nextjs-route.ts', import.meta.url));
  const post = async (version: number) => {
    const route = await import(`${program}?v=${version}`);
    return route.POST(new Request('http://127.0.0.1/api/report', { method: 'POST' }));
  };
  try {
    // `next build` loads it, too.
    await import(`${program}?v=0`);
    assert.equal(await count(), 0);
    for (const version of [1, 2, 3]) {
      const reply = await post(version);
      assert.deepEqual([reply.status, await reply.json()], [200, { rows: 42 }]);
      assert.equal(await count(), 1);
    }
    await using lease = await tryAcquire(new RedisStore(own), 'report');
    assert.ok(lease);
    assert.equal((await post(4)).status, 409);
  } finally {
    const { locks } = globalThis as { locks?: { client: { destroy(): void } } };
    locks?.client.destroy();
    own.destroy();
    if (before === undefined) delete process.env.REDIS_URL;
    else process.env.REDIS_URL = before;
  }
});
