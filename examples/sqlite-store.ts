/**
 * Locks in a table of SQLite, for the processes of one machine: a store of one's own. Each operation is one
 * statement, and goes by the clock of that machine alone.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, LockStore } from 'dlock-js';

/** The part of a database of libsql (0.5) or of `node:sqlite` that the store needs. */
export interface Database {
  exec(text: string): unknown;
  prepare(text: string): Statement;
}

interface Statement {
  all(...values: (string | number)[]): unknown[];
}

/** A row outlives its holders, since it remembers the fence. An empty token: nobody holds the lock. */
const table = `
  CREATE TABLE IF NOT EXISTS locks (
    key   TEXT    PRIMARY KEY,
    token TEXT    NOT NULL,
    ends  INTEGER NOT NULL,
    fence INTEGER NOT NULL
  )`;

/** In milliseconds; the same for all of a statement. */
const now = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`;
const isFree = `(token = '' OR ends <= ${now})`;

/** Changes the row if nobody holds the lock, or its life has ended; answers who holds it now. */
const acquire = `
  INSERT INTO locks (key, token, ends, fence) VALUES (?, ?, ${now} + ?, ${now} * 1000)
  ON CONFLICT (key) DO UPDATE SET
    token = iif(${isFree}, excluded.token, token),
    ends  = iif(${isFree}, excluded.ends, ends),
    fence = iif(${isFree}, max(fence + 1, excluded.fence), fence)
  RETURNING token, fence, ends - ${now} AS life`;

const extend = `
  UPDATE locks SET ends = ${now} + ? WHERE key = ? AND token = ? AND ends > ${now} RETURNING 1`;

const release = `
  UPDATE locks SET token = '' WHERE key = ? AND token = ? AND ends > ${now} RETURNING 1`;

/** For how long to try to begin while other processes write, in milliseconds. */
const longestTry = 2_000;

export class SqliteStore implements LockStore {
  readonly #database: Database;
  readonly #acquire: Statement;
  readonly #extend: Statement;
  readonly #release: Statement;

  /** @param database a connection for this store alone. */
  constructor(database: Database) {
    this.#database = database;
    database.exec('PRAGMA journal_mode = WAL');
    database.exec(table);
    // From now on, no call waits for other processes, which would stop all of this one meanwhile.
    database.exec('PRAGMA busy_timeout = 0');
    this.#acquire = database.prepare(acquire);
    this.#extend = database.prepare(extend);
    this.#release = database.prepare(release);
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    const [row] = await this.#run(this.#acquire, keyOf(name), token, Math.ceil(ttl));
    const { token: holder, fence, life } = row as { token: string; fence: number; life: number };
    return holder === token ? { granted: true, fence } : { granted: false, retryAfter: life };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    return (await this.#run(this.#extend, Math.ceil(ttl), keyOf(name), token)).length === 1;
  }

  async release(name: string, token: string): Promise<boolean> {
    return (await this.#run(this.#release, keyOf(name), token)).length === 1;
  }

  /** While another process writes, SQLite says that it has done nothing. That is no doubt: it may be repeated. */
  async #run(statement: Statement, ...values: (string | number)[]): Promise<unknown[]> {
    const end = performance.now() + longestTry;
    while (!this.#begin(end)) await sleep(1 + Math.random() * 4);
    // No other request comes in between: nothing is awaited until the transaction has ended.
    try {
      const rows = statement.all(...values);
      this.#database.exec('COMMIT');
      return rows;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #begin(end: number): boolean {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      return true;
    } catch (error) {
      if (String(error).includes('database is locked') && performance.now() < end) return false;
      throw error;
    }
  }
}

/** Text cannot hold every name, nor should an index hold a long one. */
const keyOf = (name: string) => createHash('sha256').update(name).digest('hex');
