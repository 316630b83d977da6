/** A lock in PostgreSQL that goes from hand to hand within a process, by one statement, and when it must not. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LockStore, locked } from 'dlock-js';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { Pool } from 'pg';
import { eventually, thief } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';

const own = await openSchema();
const pools = [new Pool({ connectionString: own.url }), new Pool({ connectionString: own.url })];
after(async () => {
  for (const pool of pools) await pool.end();
  await own[Symbol.asyncDispose]();
});
await own.pool.query(schema());
const [store, other] = pools.map((pool) => new PostgresStore(pool)) as [
  PostgresStore,
  PostgresStore,
];

const [next, heir] = ['1'.repeat(32), '2'.repeat(32)];

/** Releases the lock of the thief and asks for it right behind, as the next of a line does. */
async function pass(by: LockStore, name: string, token: string, named?: string) {
  const released = by.release(name, thief, named);
  const attempt = await by.acquire(name, token, 60_000);
  return { released: await released, attempt };
}

/** The lock is held by the thief. */
async function hold(name: string): Promise<number> {
  const attempt = await store.acquire(name, thief, 60_000);
  assert.ok(attempt.granted && attempt.fence);
  return attempt.fence;
}

describe('postgres: from hand to hand', { concurrency: true }, () => {
  test('a hundred who wait in one process cost little more than a statement each', async () => {
    let statements = 0;
    const counting = new PostgresStore((text, values) => {
      statements += 1;
      return own.pool.query(text, values);
    });
    const sections = Array.from({ length: 100 }, () =>
      locked(counting, 'burst', () => sleep(1), { wait: 60_000 }),
    );
    await Promise.all(sections);
    assert.ok(statements < 120, `${statements} statements`);
  });

  test('the fence grows, and the token before holds nothing', async () => {
    const fence = await hold('fence');
    const { released, attempt } = await pass(store, 'fence', next);
    assert.equal(released, true);
    assert.ok(attempt.granted && Number(attempt.fence) > fence);
    assert.equal(await store.extend('fence', thief, 60_000), false);
    assert.equal(await store.release('fence', next), true);
  });

  test('it does not go past a process that waits, but for an heir', async () => {
    for (const named of [undefined, heir]) {
      const name = `queue ${named}`;
      await hold(name);
      await using _watch = await other.watch(name, () => {});
      const waiting = await other.acquire(name, next, 60_000, 10_000);
      assert.ok(!waiting.granted && waiting.placeFor);
      const { released, attempt } = await pass(store, name, heir, named);
      assert.equal(released, true);
      assert.equal(attempt.granted, named === heir);
      if (named) assert.equal(await store.release(name, heir), true);
      assert.equal((await other.acquire(name, next, 60_000, 10_000)).granted, true);
    }
  });

  test('whoever has shown interest hears of the release', async () => {
    await hold('interest');
    let woken = false;
    await using _watch = await other.watch('interest', () => {
      woken = true;
    });
    const { released, attempt } = await pass(store, 'interest', next);
    assert.deepEqual([released, attempt.granted], [true, true]);
    await eventually('it is woken', () => woken);
  });

  test('an heir is not overtaken by another request of the same turn', async () => {
    await hold('heir');
    const released = store.release('heir', thief, heir);
    const [early, late] = await Promise.all([
      store.acquire('heir', next, 60_000),
      store.acquire('heir', heir, 60_000),
    ]);
    assert.deepEqual([await released, early.granted, late.granted], [true, false, true]);
  });

  test('a token that holds nothing passes nothing on', async () => {
    assert.equal((await store.acquire('not held', next, 60_000)).granted, true);
    const { released, attempt } = await pass(store, 'not held', heir);
    assert.deepEqual([released, attempt.granted], [false, false]);
  });

  test('where the statement fails, both fail, and the lock is still held', async () => {
    await hold('failing');
    const failing = new PostgresStore((text, values) =>
      text.includes('SET token = heir')
        ? Promise.reject(new Error('broken'))
        : own.pool.query(text, values),
    );
    const released = failing.release('failing', thief);
    const attempt = failing.acquire('failing', next, 60_000);
    await assert.rejects(released, /broken/);
    await assert.rejects(attempt, /broken/);
    assert.equal(await store.release('failing', thief), true);
  });

  test('whoever is called takes the lock by one statement', async () => {
    const texts: string[] = [];
    const pool = new Pool({ connectionString: own.url });
    const send = pool.query.bind(pool) as (config: { text: string }) => Promise<unknown>;
    pool.query = ((config: { text: string }) => {
      texts.push(config.text);
      return send(config);
    }) as never;
    const called = new PostgresStore(pool);
    await hold('called');
    let calls = 0;
    const watch = await called.watch('called', () => void calls++);
    assert.equal((await called.acquire('called', next, 60_000, 10_000)).granted, false);
    assert.equal(await store.release('called', thief), true);
    await eventually('it is called', () => calls > 0);
    texts.length = 0;
    assert.equal((await called.acquire('called', next, 60_000, 10_000)).granted, true);
    assert.equal(texts.length, 1);
    assert.match(texts[0] ?? '', /^\s*UPDATE/);
    await watch[Symbol.asyncDispose]();
    await pool.end();
  });
});
