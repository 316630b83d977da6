/** Processes that take turns at a lock in PostgreSQL: in order, alone and together. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { thief } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';
import { assertEven, assertInOrder, lineUp, startTaker } from './turn-taker.js';

const own = await openSchema();
after(() => own[Symbol.asyncDispose]());
const { pool, url } = own;
await pool.query(schema());
const store = new PostgresStore(pool);

describe('postgres: in turn', { concurrency: 3 }, () => {
  const waiting = async (name: string): Promise<number> => {
    const { rows } = await pool.query(`SELECT queue FROM dlock_locks WHERE name = $1`, [
      `dlock:${name}`,
    ]);
    return rows[0]?.queue?.length ?? 0;
  };

  /** The lock is held by nobody's process, and others wait for it, in this order. */
  async function lineUpFor(name: string, count: number) {
    assert.equal((await store.acquire(name, thief, 600_000)).granted, true);
    const starts = Array.from({ length: count }, () => () => startTaker('', url, name));
    return lineUp(starts, () => waiting(name));
  }

  test('processes are served in the order in which they began to wait', async () => {
    const takers = await lineUpFor('order', 4);
    await store.release('order', thief);
    await assertInOrder(takers);
  });

  test('the next is killed: the one behind it is served a second later', async () => {
    const [next, behind] = await lineUpFor('killed', 2);
    await next.end('SIGKILL');
    const start = performance.now();
    await store.release('killed', thief);
    await behind.outcome();
    const waited = performance.now() - start;
    assert.ok(waited < 6_000, `${waited} ms`);
  });

  test('six processes take turns evenly, and nothing is left in the row', async () => {
    const name = 'turns';
    const takers = await Promise.all(
      Array.from({ length: 6 }, () => startTaker('', url, name, 20, 5_000)),
    );
    for (const { begin } of takers) begin();
    const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
    assertEven(outcomes);
    assert.equal(await waiting(name), 0);
  });

  test('limits of 1, 2, 3 and any: never more than one asked for, and none starves', async () => {
    const limits = [1, 2, 3, Infinity, 1, 2, 3, Infinity];
    const takers = await Promise.all(
      limits.map((limit) => startTaker('', url, 'mixed', 20, 5_000, limit)),
    );
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
    for (const { fence, limit, begin } of sections) {
      const beside = sections.filter((other) => other.fence < fence && other.end > begin);
      assert.ok(beside.length < limit, `${beside.length} beside one with the limit ${limit}`);
      assert.ok(!beside.some((other) => other.limit === 1), 'somebody held it alone');
    }
    const counts = outcomes.map(({ fences }) => fences.length);
    assert.ok(Math.min(...counts) >= 3, `${counts}`);
  });
});
