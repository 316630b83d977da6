/** The examples do what they say; that of a store for PostgreSQL has a test file of its own. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { buildServer, type PlaceOrder } from '../../examples/fastify-per-customer.js';
import { refreshReport, table as reports } from '../../examples/fence-postgres.js';
import { type Import, scheduleImport } from '../../examples/hourly-import.js';
import { callPartner } from '../../examples/rate-limit.js';
import { acquireOne, tryAcquireOne } from '../../examples/slots.js';
import { type Accounts, transfer } from '../../examples/transfer.js';
import { tryAcquire } from '../../src/api/acquire.js';
import { FileStore } from '../../src/stores/file/file.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';
import { compile } from '../support/workers.js';

const root = await mkdtemp(join(tmpdir(), 'dlock-examples-'));
after(() => rm(root, { recursive: true, maxRetries: 10 }));
let directories = 0;

/** Two stores on one directory know of each other only by the files, as two processes would. */
function twoStores(): [FileStore, FileStore] {
  const directory = join(root, String(directories++));
  return [new FileStore(directory), new FileStore(directory)];
}

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

describe('the server that takes the orders of a customer in turn', { concurrency: true }, () => {
  // A server that listens keeps its process alive, which those who wait in it do not; none listens here.
  const alive = setInterval(() => {}, 60_000);
  after(() => clearInterval(alive));

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
    const directory = join(root, 'lost');
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

test('a partner is called no more often than it allows, by two servers', async () => {
  const stores = twoStores();
  const begun: number[] = [];
  const call = async () => void begun.push(performance.now());
  const rate = { calls: 2, within: 1_000 };
  await Promise.all(
    [0, 1, 2, 3, 4].map((index) => callPartner(stores[index % 2] as FileStore, call, rate)),
  );
  for (const [index, third] of begun.slice(2).entries()) {
    // The life counts from before the request, which a call comes after.
    const between = third - (begun[index] ?? NaN);
    assert.ok(between > 800, `three calls within ${between} ms`);
  }
});

test('of several of a kind each is given to one, and a wait ends with the signal', async () => {
  const [one, two] = twoStores();
  const gpus = ['gpu 0', 'gpu 1', 'gpu 2'];
  const leases = [
    await acquireOne(one, gpus),
    await acquireOne(two, gpus),
    await acquireOne(one, gpus),
  ];
  assert.deepEqual(leases.map(({ name }) => name).sort(), gpus);
  assert.equal(await tryAcquireOne(two, gpus), null);
  const controller = new AbortController();
  const waiting = acquireOne(two, gpus, controller.signal);
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  const served = acquireOne(two, gpus);
  await leases[1]?.release();
  assert.equal((await served).name, leases[1]?.name);
});

describe('transfers between accounts', () => {
  const open = () => {
    const balances = new Map([
      ['1', 100],
      ['2', 100],
    ]);
    const fences = new Map<string, number>();
    const accounts: Accounts = {
      async read(account) {
        await sleep(2);
        return balances.get(account) ?? 0;
      },
      async write(account, balance, fence = NaN) {
        await sleep(2);
        assert.ok(fence >= (fences.get(account) ?? 0), `${fence}`);
        fences.set(account, fence);
        balances.set(account, balance);
      },
    };
    return { balances, accounts };
  };

  test('in both directions at the same time, on two servers, lose nothing', async () => {
    const { balances, accounts } = open();
    const [one, two] = twoStores();
    const transfers = Array.from({ length: 20 }, (_, index) => {
      const there = { from: '1', to: '2', amount: 3 };
      const back = { from: '2', to: '1', amount: 1 };
      return transfer(index % 2 ? one : two, accounts, index % 4 < 2 ? there : back);
    });
    await Promise.all(transfers);
    assert.deepEqual(Object.fromEntries(balances), { 1: 80, 2: 120 });
  });

  test('of more than there is, and of an account to itself, change nothing', async () => {
    const { balances, accounts } = open();
    const [store] = twoStores();
    const tooMuch = transfer(store, accounts, { from: '1', to: '2', amount: 101 });
    await assert.rejects(tooMuch, /not enough in account 1/);
    await transfer(store, accounts, { from: '1', to: '1', amount: 50 });
    assert.deepEqual(Object.fromEntries(balances), { 1: 100, 2: 100 });
  });
});

test('a worker that lost its lease, and does not know, is refused by the row it writes to', async () => {
  await using schema = await openSchema();
  const query = (sql: string, values: unknown[]) => schema.pool.query(sql, values);
  await schema.pool.query(reports);
  const report = async () =>
    (await schema.pool.query('SELECT content FROM reports')).rows[0].content;

  const [one, two] = twoStores();
  await refreshReport(one, query, async () => 'first');
  assert.equal(await report(), 'first');

  const cutOff = altered(one, {
    ttl: 400,
    extend: async () => {
      throw new Error('the line is cut');
    },
  });
  const late = refreshReport(cutOff, query, async () => {
    await eventually('another worker writes the report', async () => {
      await refreshReport(two, query, async () => 'second');
      return (await report()) === 'second';
    });
    return 'late';
  });
  await assert.rejects(late, /A newer holder than fence \d+ was here/);
  assert.equal(await report(), 'second');
});

test('a worker that SIGTERM ends stops its bodies and its waits, and releases its leases', async () => {
  const directory = join(root, 'shutdown');
  const store = new FileStore(directory);
  await using lease = await tryAcquire(store, 'reports');
  assert.ok(lease);
  const program = compile(new URL('../../examples/graceful-shutdown.ts', import.meta.url));
  const worker = execa('node', [program, directory], { reject: false });
  let said = '';
  worker.stdout.on('data', (words) => {
    said += words;
  });
  // It works under one lock, and waits for the other.
  await eventually('it works', () => said === 'invoices: working\n', 60_000);
  assert.equal(await tryAcquire(store, 'invoices'), null);
  worker.kill('SIGTERM');

  const { exitCode, stderr } = await worker;
  assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
  assert.match(said, /^reports: stopped$/m);
  assert.match(said, /^invoices: stopped$/m);
  assert.match(said, /^bye$/m);
  // Given back, not left to lapse after its ttl.
  await using next = await tryAcquire(store, 'invoices');
  assert.ok(next);
  assert.equal(lease.held, true);
});

test('of two consumers one leads; when SIGTERM ends it, the other goes on where it was', async () => {
  const directory = join(root, 'leader');
  const program = compile(new URL('../../examples/leader.ts', import.meta.url));
  const start = () => {
    const child = execa('node', [program, directory], { reject: false });
    const lines: string[] = [];
    child.stdout.on('data', (words) => lines.push(...String(words).trimEnd().split('\n')));
    /** The numbers of the messages that it has handled. */
    const handled = () =>
      lines.flatMap((line) => /handled message (\d+)$/.exec(line)?.slice(1).map(Number) ?? []);
    return { child, lines, handled };
  };
  const first = start();
  await eventually('it consumes', () => first.handled().length > 0, 60_000);
  const second = start();
  const handled = first.handled().length;
  await eventually('it goes on', () => first.handled().length > handled + 2, 60_000);
  assert.deepEqual(second.lines, []);
  first.child.kill('SIGTERM');
  await eventually('the other goes on', () => second.handled().length > 1, 60_000);
  second.child.kill('SIGTERM');

  for (const { child, lines } of [first, second]) {
    const { exitCode, stderr } = await child;
    assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: '' });
    assert.match(lines[0] ?? '', /leads, with fence \d+$/);
    assert.equal(lines.at(-1), `${child.pid} ends`);
  }
  const all = [...first.handled(), ...second.handled()];
  assert.deepEqual(
    all,
    all.map((_, index) => index + 1),
  );
});
