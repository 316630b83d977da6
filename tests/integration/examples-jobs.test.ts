/** The examples of jobs, scheduled and queued, do what they say. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { type Orders, startWorker } from '../../examples/bullmq-per-customer.js';
import { type Import, scheduleImport } from '../../examples/hourly-import.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { IoredisStore } from '../../src/stores/redis/ioredis.js';
import { RedisStore } from '../../src/stores/redis/redis.js';
import { eventually } from '../../src/testing/fixture.js';
import { sharedRedis } from '../support/servers.js';
import { twoStores } from './two-stores.js';

/** Schedules the import on two servers, each second, and ends when four periods are over on both. */
async function importOnTwoServers(t: TestContext, runImport: Import) {
  const outcomes = new Map<string, string[]>();
  const note = (period: string, outcome: string) => {
    outcomes.set(period, [...(outcomes.get(period) ?? []), outcome].sort());
  };
  t.mock.method(console, 'log', (line: string) => {
    const [period = '', outcome = ''] = line.split(' ');
    note(period, outcome);
  });
  t.mock.method(console, 'error', ({ message }: Error) => note(message, 'failed'));
  const stores = twoStores();
  const jobs = stores.map((store) => scheduleImport(store, runImport, '* * * * * *'));
  const overOnBoth = () => [...outcomes.values()].filter(({ length }) => length === 2);
  await eventually('four periods are over', () => overOnBoth().length >= 4, 30_000);
  for (const job of jobs) job.stop();
  await eventually('nobody works', () => !jobs.some((job) => job.isBusy()));
  return overOnBoth();
}

describe('the hourly import', () => {
  test('runs once for each period, on two servers that are punctual', async (t) => {
    const runs: string[] = [];
    const outcomes = await importOnTwoServers(t, async (period, signal) => {
      runs.push(period);
      await sleep(100, undefined, { signal });
    });
    assert.deepEqual(runs, [...new Set(runs)]);
    assert.match(runs[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    for (const pair of outcomes) assert.deepEqual(pair, ['done', 'imported']);
  });

  test('is taken over where it fails', async (t) => {
    const tried = new Set<string>();
    const outcomes = await importOnTwoServers(t, async (period) => {
      if (tried.has(period)) return;
      tried.add(period);
      throw new Error(period);
    });
    for (const pair of outcomes) assert.deepEqual(pair, ['failed', 'imported']);
  });

  test('names the period for which it was scheduled, even if it begins late', async (t) => {
    t.mock.method(console, 'log', () => {});
    const begun: { period: string; at: string }[] = [];
    const runImport = async (period: string) => {
      begun.push({ period, at: new Date().toISOString().slice(0, 19) });
    };
    await sleep(3_900 - (Date.now() % 4_000));
    const job = scheduleImport(new MemoryStore(), runImport, '*/4 * * * * *');
    // A busy server: it cannot begin in the second that it should, but still in its period.
    const strike = Math.ceil(Date.now() / 4_000) * 4_000;
    while (Date.now() < strike + 1_200);
    await eventually('it has begun', () => begun.length > 0);
    job.stop();
    const [run] = begun;
    assert.equal(run?.period, new Date(strike).toISOString().slice(0, 19));
    assert.notEqual(run?.at, run?.period);
  });
});

describe('the worker of BullMQ', () => {
  test('handles the orders of each customer one by one and in order, over two workers', async (t) => {
    const url = await sharedRedis();
    // One worker and its store share a client, as they may; the others have their own.
    const shared = new Redis(url, { maxRetriesPerRequest: null });
    const client = createClient({ url });
    await client.connect();
    const queue = new Queue('orders', { connection: shared });

    const customers = ['ann', 'bob', 'cleo'];
    const left = new Map(customers.map((customer) => [customer, [...'123456']]));
    const handled = new Map(customers.map((customer) => [customer, [] as string[]]));
    const atWork = new Set<string>();
    let most = 0;
    let failures = 0;
    const orders: Orders = {
      async next(customer) {
        const [order] = left.get(customer) ?? [];
        return order && `${customer} ${order}`;
      },
      async handle(order, signal) {
        const [customer = '', number = ''] = order.split(' ');
        assert.ok(!atWork.has(customer), `two orders of ${customer} at once`);
        atWork.add(customer);
        most = Math.max(most, atWork.size);
        await sleep(20, undefined, { signal });
        atWork.delete(customer);
        if (number === '2' && failures++ < customers.length)
          throw new Error('not at the first time');
        left.get(customer)?.shift();
        handled.get(customer)?.push(number);
      },
    };
    const workers = [
      startWorker(new IoredisStore(shared), orders, shared),
      startWorker(new RedisStore(client), orders, { url }),
    ];
    t.after(async () => {
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.obliterate({ force: true });
      await queue.close();
      shared.disconnect();
      client.destroy();
    });
    const unexpected: string[] = [];
    for (const worker of workers) {
      worker.on('failed', (_job, { message }) => unexpected.push(message));
      worker.on('error', ({ message }) => unexpected.push(message));
    }
    const job = (customer: string) => ({
      name: 'turn',
      data: { customer },
      opts: { attempts: 5, backoff: 100 },
    });
    await queue.addBulk([...'123456'].flatMap(() => customers.map(job)));

    const isOver = () => [...left.values()].every((orders) => orders.length === 0);
    await eventually('all is handled', isOver, 60_000);
    for (const numbers of handled.values()) assert.deepEqual(numbers, [...'123456']);
    assert.ok(most > 1, 'customers do not wait for each other');
    assert.deepEqual([...new Set(unexpected)], ['not at the first time']);
  });
});
