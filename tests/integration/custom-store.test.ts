/** The example of docs/custom-store.md, on a real file of SQLite. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { StoreError, tryAcquire } from 'dlock-js';
import { testStore } from 'dlock-js/testing';
import Database from 'libsql';
import { SqliteStore } from '../../examples/sqlite-store.js';
import { eventually, thief } from '../../src/testing/fixture.js';
import { temporaryDirectory } from '../support/servers/directories.js';
import { countTogether } from './many-processes.js';

const path = join(temporaryDirectory(), 'locks.db');
const databases = new Set<Database.Database>();
after(closeAll);

function closeAll(): void {
  for (const database of databases) database.close();
  databases.clear();
}

function open(): Database.Database {
  const database = new Database(path);
  databases.add(database);
  return database;
}

testStore({
  name: 'SqliteStore of the example',
  watch: false,
  persistent: true,
  create: () => ({
    store: new SqliteStore(open()),
    other: new SqliteStore(open()),
    others: Array.from({ length: 18 }, () => new SqliteStore(open())),
    // All processes that use the file have ended.
    restart() {
      closeAll();
      return new SqliteStore(open());
    },
  }),
});

describe('the example', () => {
  let database: Database.Database;
  let store: SqliteStore;
  before(() => {
    database = open();
    store = new SqliteStore(database);
  });

  test('4 processes count to 200 together, no update lost, fences in order', async () => {
    await countTogether(`sqlite://${path}`, 4, 50);
  });

  test('rows that nobody has needed for a day may be deleted, and no fence goes back', async () => {
    const lease = await tryAcquire(store, 'swept');
    await lease?.release();
    const day = 24 * 3_600_000;
    database.exec(`UPDATE locks SET ends = ends - ${2 * day}, fence = fence - ${2 * day} * 1000`);
    database.exec(`DELETE FROM locks WHERE ends < (unixepoch() - 86400) * 1000`);
    const key = createHash('sha256').update('swept').digest('hex');
    assert.deepEqual(database.prepare('SELECT * FROM locks WHERE key = ?').all(key), []);
    const next = await tryAcquire(store, 'swept');
    assert.ok(Number(next?.fence) > Number(lease?.fence));
    await next?.release();
  });

  test('a process that writes is waited for; if it takes too long, that is an error, and leaves nothing behind', async () => {
    const writer = open();
    writer.exec('BEGIN IMMEDIATE');
    await assert.rejects(tryAcquire(store, 'busy'), StoreError);
    const waiting = store.acquire('waited for', thief, 60_000);
    setTimeout(() => writer.exec('ROLLBACK'), 100);
    assert.equal((await waiting).granted, true);
    await eventually('nobody holds the other lock', async () => {
      await using lease = await tryAcquire(store, 'busy');
      return lease !== null;
    });
  });
});
