/**
 * Locks in a table of PostgreSQL: a store of one's own. Each operation is one statement, and goes by
 * the clock of the server alone. (`dlock-js/postgres` is the same with a queue, and more clients.)
 */
import { createHash } from 'node:crypto';
import type { Attempt, LockStore } from 'dlock-js';
import type { Client, Pool } from 'pg';

/** A row outlives its holders, since it remembers the fence. An empty token: nobody holds the lock. */
export const table = `
  CREATE TABLE locks (
    key     bytea       PRIMARY KEY,
    token   text        NOT NULL,
    ends    timestamptz NOT NULL,
    fence   bigint      NOT NULL,
    awaited timestamptz NOT NULL DEFAULT '-infinity'
  )`;

/** The server must not go on waiting for a row when nobody waits for its answer any more. */
const bounded = `set_config('lock_timeout', '5000', true)`;
const isFree = `(held.token = '' OR held.ends <= now())`;

/** Changes the row if nobody holds the lock, or its life has ended; answers who holds it now. */
const acquire = `
  INSERT INTO locks AS held (key, token, ends, fence)
  SELECT $1, $2, now() + $3 * interval '1 ms', extract(epoch FROM now()) * 1000000 FROM ${bounded}
  ON CONFLICT (key) DO UPDATE SET
    token = CASE WHEN ${isFree} THEN excluded.token ELSE held.token END,
    ends  = CASE WHEN ${isFree} THEN excluded.ends ELSE held.ends END,
    fence = CASE WHEN ${isFree} THEN greatest(held.fence + 1, excluded.fence) ELSE held.fence END,
    awaited = CASE WHEN ${isFree} THEN held.awaited ELSE now() + interval '10 s' END
  RETURNING token, fence::float8, extract(epoch FROM ends - now())::float8 * 1000 AS life`;

const extend = `
  UPDATE locks SET ends = now() + $3 * interval '1 ms' FROM ${bounded}
  WHERE key = $1 AND token = $2 AND ends > now() RETURNING 1`;

const release = `
  WITH released AS (
    UPDATE locks SET token = '' FROM ${bounded}
    WHERE key = $1 AND token = $2 AND ends > now() RETURNING key, awaited > now() AS is_awaited
  )
  SELECT CASE WHEN is_awaited THEN pg_notify('locks', encode(key, 'hex')) IS NOT NULL END FROM released`;

const expect = `
  INSERT INTO locks SELECT $1, '', now(), 0, now() + interval '10 s' FROM ${bounded}
  ON CONFLICT (key) DO UPDATE SET awaited = excluded.awaited`;

export class PostgresStore implements LockStore {
  readonly #pool: Pool;
  readonly #listener: Client | undefined;
  readonly #watchers = new Set<{ key: string; wake: () => void }>();
  #listening: Promise<unknown> | undefined;

  /** @param listener a connected client, by which those who wait are woken; without it, they poll. */
  constructor(pool: Pool, listener?: Client) {
    this.#pool = pool;
    this.#listener = listener?.on('notification', ({ payload }) => {
      for (const { key, wake } of this.#watchers) if (key === payload) wake();
    });
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    const [row] = await this.#query(acquire, [keyOf(name), token, ttl]);
    if (row.token === token) return { granted: true, fence: row.fence };
    return { granted: false, retryAfter: row.life };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    return (await this.#query(extend, [keyOf(name), token, ttl])).length === 1;
  }

  async release(name: string, token: string): Promise<boolean> {
    return (await this.#query(release, [keyOf(name), token])).length === 1;
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    this.#listening ??= this.#listen();
    await this.#listening;
    const watcher = { key: keyOf(name).toString('hex'), wake };
    this.#watchers.add(watcher);
    await this.#query(expect, [keyOf(name)]);
    return { [Symbol.asyncDispose]: async () => void this.#watchers.delete(watcher) };
  }

  /** What comes by the pool must arrive: through a pooler, `LISTEN` succeeds and is deaf. */
  async #listen(): Promise<void> {
    const listener = this.#listener;
    if (!listener) throw new Error('Nobody listens for this store');
    await listener.query('LISTEN locks');
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error('No notification arrives')), 2_000);
      listener.once('notification', () => {
        clearTimeout(limit);
        resolve();
      });
      this.#pool.query(`NOTIFY locks, 'probe'`).catch(reject);
    });
  }

  /** A serialization failure is no doubt: the server says that it has undone the statement. */
  async #query(text: string, values: unknown[], times = 20) {
    for (let left = times; ; left--) {
      try {
        return (await this.#pool.query(text, values)).rows;
      } catch (error) {
        if ((error as { code?: string }).code !== '40001' || left === 1) throw error;
      }
    }
  }
}

/** Text cannot hold every name, nor an index a long one; and a collation might call two the same. */
const keyOf = (name: string) => createHash('sha256').update(name).digest();
