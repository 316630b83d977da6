/** PostgresStore on a PostgreSQL in this process: the statements, without a server. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { PostgresStore, schema } from 'dlock-js/postgres';
import { RedisStore } from 'dlock-js/redis';
import createKnex from 'knex';
import { Client, Pool } from 'pg';
import { createClient } from 'redis';
import { testStore } from '../../../src/testing/index.js';

const database = await PGlite.create();
after(() => database.close());
await database.query(schema());

const slow = 'the database works in this very process, which it keeps from its timers';

testStore({
  name: 'PostgresStore, PGlite',
  skip: {
    'without renewal: free after the ttl, and never before the deadline of the lease': slow,
    'the lock is taken away behind our back: told at the next renewal': slow,
    'a lock that expires without a release is taken then': slow,
    'asked for again by its holder, with a longer ttl, a lock lapses when it would have': slow,
  },
  cases: 'essential',
  queue: true,
  sharing: true,
  create: () => ({ store: new PostgresStore(database), other: new PostgresStore(database) }),
});

describe('the client of a PostgresStore', () => {
  const wrong: Record<string, unknown> = {
    'a URL': 'postgres://localhost',
    'an object with a query of another kind': { query: () => {} },
    'a client of redis': createClient(),
    'an instance of Knex': createKnex({ client: 'pg' }),
  };
  for (const [what, client] of Object.entries(wrong)) {
    test(`is not ${what}: a TypeError that says what is`, () => {
      assert.throws(() => new PostgresStore(client as never), {
        name: 'TypeError',
        message: /PostgresStore needs a client of pg, postgres or PGlite, or a function/,
      });
    });
  }

  test('other stores refuse it, and name this one', () => {
    const message = /RedisStore needs .* not a client of pg, which PostgresStore takes/;
    for (const client of [new Pool(), new Client()]) {
      assert.throws(() => new RedisStore(client as never), { name: 'TypeError', message });
    }
  });

  test('which answers something else than rows is an error, never a grant and never a refusal', async () => {
    const answers: unknown[] = [
      undefined,
      1,
      {},
      [1],
      [],
      [{}],
      [{ token: 't', fence: 'x', life: 1 }],
    ];
    for (const answer of answers) {
      const store = new PostgresStore(async () => answer as never);
      await assert.rejects(store.acquire('a', 't', 1_000), TypeError, JSON.stringify(answer));
      await assert.rejects(store.extend('a', 't', 1_000), TypeError, JSON.stringify(answer));
    }
  });

  test('may say in its own way that a statement was undone: it is sent again', async () => {
    const row = { token: 't', fence: '42', life: '1000' };
    for (const error of [
      { code: '40001' },
      { code: 'P2010', meta: { code: '40P01' } },
      { cause: { code: '40001' } },
    ]) {
      let failures = 3;
      const store = new PostgresStore(async () => {
        if (failures-- > 0) throw Object.assign(new Error('undone'), error);
        return [row];
      });
      assert.deepEqual(await store.acquire('a', 't', 1_000), { granted: true, fence: 42 });
    }
    let times = 0;
    const hopeless = new PostgresStore(async () => {
      times += 1;
      throw Object.assign(new Error('undone'), { code: '40001' });
    });
    await assert.rejects(hopeless.acquire('a', 't', 1_000), /undone/);
    assert.equal(times, 50);
  });
});

test('the options of a PostgresStore, and of schema(), are checked', () => {
  const options = [
    { table: 'a"b' },
    { table: 'a.b.c' },
    { table: '' },
    { table: 1 },
    { tables: 'x' },
    { prefix: '\0' },
  ];
  for (const each of options) {
    assert.throws(() => new PostgresStore(database, each as never), /PostgresStore/);
  }
  assert.throws(() => schema('a; DROP TABLE b'), RangeError);
  assert.match(schema('app.Locks'), /^CREATE TABLE "app"\."Locks" \(/);
});
