/** Processes that share a lock, with limits of all kinds: who holds it beside whom, and at what price. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createClient } from 'redis';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { RedisStore } from '../../src/stores/redis/redis.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { scriptCallsIn } from '../support/commandstats.js';
import { sharedRedis, startRedis } from '../support/servers.js';
import { type Outcome, startTaker } from './turn-taker.js';

async function connect() {
  return createClient({ url: await sharedRedis() })
    .on('error', () => {})
    .connect();
}

const root = await mkdtemp(join(tmpdir(), 'dlock-together-'));
after(() => rm(root, { recursive: true }));

interface Section {
  readonly fence: number;
  readonly limit: number;
  readonly begin: number;
  readonly end: number;
}

/** Processes with these limits that take turns. */
async function share(
  url: string,
  name: string,
  limits: readonly number[],
  { clients = [''], work = 20, duration = 3_000 } = {},
) {
  const starting = limits.map((limit, index) =>
    startTaker(clients[index % clients.length] ?? '', url, name, work, duration, limit),
  );
  const takers = await Promise.all(starting);
  for (const { begin } of takers) begin();
  const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
  const sections = outcomes.flatMap(({ fences, times, ends }, taker) =>
    fences.map((fence, index) => ({
      fence,
      limit: limits[taker] ?? NaN,
      begin: times[index] ?? NaN,
      end: ends[index] ?? NaN,
    })),
  );
  return { outcomes, sections };
}

/**
 * Whoever was granted the lock before, and had not given it back when a section began, held it at that
 * grant: by the order of the fences, since answers on different connections are read in any order.
 */
function assertRule(sections: readonly Section[]): void {
  for (const { fence, limit, begin } of sections) {
    const beside = sections.filter((other) => other.fence < fence && other.end > begin);
    assert.ok(beside.length < limit, `${beside.length} held it beside one with the limit ${limit}`);
    assert.ok(!beside.some((other) => other.limit === 1), 'somebody held it alone');
  }
}

const countOf = (outcomes: readonly Outcome[]) => outcomes.map(({ fences }) => fences.length);
const clients = ['node-redis 6', 'ioredis 6'];

describe('shared by processes', () => {
  test('redis: limits of 1, 2, 3, 5 and any: all by the rule, for three requests a section', async (t) => {
    await using server = await startRedis();
    const admin = await createClient({ url: server.url }).connect();
    admin.on('error', () => {});
    t.after(() => admin.destroy());
    const limits = [1, 2, 3, 5, Infinity, 1, 2, 3, 5, Infinity];
    const before = scriptCallsIn(await admin.info('commandstats'));
    const { outcomes, sections } = await share(server.url, 'mixed', limits, { clients });
    const requests = scriptCallsIn(await admin.info('commandstats')) - before;
    assertRule(sections);
    const details = `${countOf(outcomes)}: ${requests} requests`;
    assert.ok(Math.min(...countOf(outcomes)) >= 3, details);
    // The first and the last rounds cost otherwise.
    assert.ok(requests <= 3.3 * sections.length + 4 * limits.length, details);
    assert.deepEqual(
      (await admin.keys('*')).filter((key) => key !== '\0dlock:mixed'),
      [],
      'nothing but the fence is left',
    );
  });

  test('redis: readers who overlap all the time do not keep a writer out', async () => {
    const limits = [1, ...Array<number>(6).fill(Infinity)];
    const { outcomes, sections } = await share(
      await sharedRedis(),
      `readers ${process.pid}`,
      limits,
      {
        clients,
        work: 50,
      },
    );
    assertRule(sections);
    const [writer = 0, ...readers] = countOf(outcomes);
    assert.ok(writer >= 3, `${writer} beside ${readers}`);
    assert.ok(writer >= Math.max(...readers) / 3, `${writer} beside ${readers}`);
    const together = sections.some(({ begin, end, fence }) =>
      sections.some((other) => other.fence > fence && other.begin < end && other.end > begin),
    );
    assert.ok(together, 'readers read together');
  });

  for (const [what, url] of [
    ['redis', sharedRedis],
    ['file', async () => pathToFileURL(join(root, 'locks')).href],
  ] as const) {
    test(`${what}: six processes at a limit of three: never more, and all have their turns`, async () => {
      const name = `three ${process.pid}`;
      const { outcomes, sections } = await share(await url(), name, Array(6).fill(3));
      assertRule(sections);
      assert.ok(Math.min(...countOf(outcomes)) >= 3, `${countOf(outcomes)}`);
    });
  }
});

describe('readers and writers in one queue', () => {
  const [holder, first, reader, second] = ['1', '2', '3', '4'].map((digit) => digit.repeat(32)) as [
    string,
    string,
    string,
    string,
  ];

  let client: Awaited<ReturnType<typeof connect>>;
  before(async () => {
    client = await connect();
  });
  after(() => client.destroy());

  for (const [what, open] of [
    ['memory', () => new MemoryStore()],
    ['redis', () => new RedisStore(client)],
  ] as const) {
    test(`${what}: a reader who comes while a writer waits stands behind it, and readers come in together`, async () => {
      const store = open();
      const lock = `one queue ${process.pid}`;
      // Each a line of its own, as in another process.
      const line = () => altered(store, {});
      const reading = await acquire(line(), lock, { limit: Infinity });
      const writing = acquire(line(), lock);
      const trying = line();
      await eventually('the writer has its place', async () => {
        const lease = await tryAcquire(trying, lock, { limit: Infinity });
        await lease?.release();
        return lease === null;
      });
      let readers = 0;
      const behind = [line(), line(), line()].map(async (each) => {
        const lease = await acquire(each, lock, { limit: Infinity });
        readers += 1;
        return lease;
      });
      assert.equal(await reading.release(), true);
      const writer = await writing;
      assert.equal(readers, 0, 'the writer was before them');
      assert.equal(await writer.release(), true);
      // None of them has left before the last has come.
      for (const lease of await Promise.all(behind)) assert.equal(await lease.release(), true);
    });

    test(`${what}: whoever finds the room taken by a larger limit is the first in the queue again`, async () => {
      const store = open();
      const lock = `in vain ${process.pid}`;
      await using _watch = await store.watch(lock, () => {});
      const ask = (token: string, limit: number, patience?: number) =>
        store.acquireShared(lock, token, 60_000, limit, patience);
      await ask(holder, 2);
      await ask(reader, 2);
      assert.equal((await ask(first, 2, 5_000)).granted, false, 'it has a place');
      await store.release(lock, reader);
      assert.equal((await ask(reader, Infinity)).granted, true, 'it came before the first asked');
      assert.equal((await store.acquire(lock, second, 60_000, 5_000)).granted, false);
      assert.equal((await ask(first, 2, 5_000)).granted, false, 'promised in vain');
      for (const token of [holder, reader]) assert.equal(await store.release(lock, token), true);
      assert.equal((await store.acquire(lock, second, 60_000, 5_000)).granted, false);
      assert.equal((await ask(first, 2, 5_000)).granted, true);
      assert.equal(await store.release(lock, first), true);
      assert.equal((await store.acquire(lock, second, 60_000, 5_000)).granted, true);
      assert.equal(await store.release(lock, second), true);
    });
  }
});
