/** A lock in PostgreSQL that goes from hand to hand within a process, by one statement, and when it must not. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type LockStore, locked } from 'dlock-js';
import { PostgresStore, type PostgresStoreOptions, schema } from 'dlock-js/postgres';
import { Pool } from 'pg';
import { eventually, thief } from '../../src/testing/fixture.js';
import { openSchema } from '../support/servers/postgres.js';

const own = await openSchema();
after(() => own[Symbol.asyncDispose]());
await own.pool.query(schema());

type Send = (statement: { text: string }) => Promise<unknown>;

/** A store with a pool of its own, whose statements go through `carry`. */
function openStore(
  carry: (statement: { text: string }, send: Send) => Promise<unknown> = (statement, send) =>
    send(statement),
  options?: PostgresStoreOptions,
) {
  const pool = new Pool({ connectionString: own.url });
  const send = pool.query.bind(pool) as Send;
  pool.query = ((statement: { text: string }) => carry(statement, send)) as never;
  const store = new PostgresStore(pool, options);
  return { store, [Symbol.asyncDispose]: () => pool.end() };
}

const { store, ...ofStore } = openStore();
const { store: other, ...ofOther } = openStore();
after(() => ofStore[Symbol.asyncDispose]());
after(() => ofOther[Symbol.asyncDispose]());

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
  test('a hundred waiters in one process cost little more than a statement each', async () => {
    let statements = 0;
    await using counting = openStore((statement, send) => {
      statements += 1;
      return send(statement);
    });
    const sections = Array.from({ length: 100 }, () =>
      locked(counting.store, 'burst', () => sleep(1), { wait: 60_000 }),
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

  test('a process that has shown interest hears of the release', async () => {
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

  test('a request to share the lock waits for the release', async () => {
    await hold('shared');
    const released = store.release('shared', thief);
    const attempt = await store.acquireShared('shared', next, 60_000, 2);
    assert.deepEqual([await released, attempt.granted], [true, true]);
  });

  test('a token that holds nothing passes nothing on', async () => {
    assert.equal((await store.acquire('not held', next, 60_000)).granted, true);
    const { released, attempt } = await pass(store, 'not held', heir);
    assert.deepEqual([released, attempt.granted], [false, false]);
  });

  test('where the statement fails, both fail, and the lock is still held', async () => {
    await hold('failing');
    await using failing = openStore(async (statement, send) => {
      if (statement.text.includes('SET token = heir')) throw new Error('broken');
      return send(statement);
    });
    const released = failing.store.release('failing', thief);
    const attempt = failing.store.acquire('failing', next, 60_000);
    await assert.rejects(released, /broken/);
    await assert.rejects(attempt, /broken/);
    assert.equal(await store.release('failing', thief), true);
  });

  test('a release that is never answered does not hold up other requests for longer than its time', async () => {
    await hold('silent');
    let isSilent = true;
    const carry = (statement: { text: string }, send: Send) =>
      isSilent && statement.text.includes('released AS') ? new Promise(() => {}) : send(statement);
    await using silent = openStore(carry, { timeout: 300 });
    void silent.store.release('silent', thief);
    await sleep(1);
    assert.equal((await silent.store.acquire('silent', next, 60_000)).granted, false);
    isSilent = false;
    assert.equal(await silent.store.release('silent', thief), true);
  });

  test('a function sends each statement in the context of its own caller', async () => {
    const caller = new AsyncLocalStorage<string>();
    const sent: string[] = [];
    const byFunction = new PostgresStore((text, values) => {
      // The sweep is nobody's.
      const what = /released|INSERT|heir/.exec(text);
      if (what) sent.push(`${caller.getStore()}: ${what}`);
      return own.pool.query(text, values);
    });
    await hold('context');
    const released = caller.run('holder', () => byFunction.release('context', thief));
    const attempt = caller.run('next', () => byFunction.acquire('context', next, 60_000));
    await Promise.all([released, attempt]);
    assert.deepEqual(sent.sort(), ['holder: released', 'next: INSERT']);
    assert.equal(byFunction.ordered, false);
  });

  test('a process that is called takes the lock by one statement', async () => {
    const texts: string[] = [];
    await using called = openStore((statement, send) => {
      texts.push(statement.text);
      return send(statement);
    });
    await hold('called');
    let calls = 0;
    await using _watch = await called.store.watch('called', () => void calls++);
    assert.equal((await called.store.acquire('called', next, 60_000, 10_000)).granted, false);
    assert.equal(await store.release('called', thief), true);
    await eventually('it is called', () => calls > 0);
    texts.length = 0;
    assert.equal((await called.store.acquire('called', next, 60_000, 10_000)).granted, true);
    assert.equal(texts.length, 1);
    assert.match(texts[0] ?? '', /^\s*UPDATE/);
  });
});
