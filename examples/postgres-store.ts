/**
 * Locks in a table of PostgreSQL: a store of one's own. Each operation is one statement, and goes by
 * the clock of the server alone.
 */
import { createHash } from 'node:crypto';
import type { Attempt, LockStore } from 'dlock-js';
import type { Client, Pool } from 'pg';

/** A row outlives its holders, since it remembers the fence. */
export const table = `
  CREATE TABLE locks (
    key   bytea       PRIMARY KEY,
    token text        NOT NULL,
    ends  timestamptz NOT NULL,
    fence bigint      NOT NULL
  )`;

/** Changes the row if the life of its holder has ended, and answers who holds the lock now. */
const acquire = `
  INSERT INTO locks AS held VALUES
    ($1, $2, now() + $3 * interval '1 ms', extract(epoch FROM now()) * 1000000)
  ON CONFLICT (key) DO UPDATE SET
    token = CASE WHEN held.ends <= now() THEN excluded.token ELSE held.token END,
    ends  = CASE WHEN held.ends <= now() THEN excluded.ends ELSE held.ends END,
    fence = CASE WHEN held.ends <= now() THEN greatest(held.fence + 1, excluded.fence)
                 ELSE held.fence END
  RETURNING token, fence::float8, extract(epoch FROM ends - now())::float8 * 1000 AS life`;

const extend = `
  UPDATE locks SET ends = now() + $3 * interval '1 ms'
  WHERE key = $1 AND token = $2 AND ends > now()`;

const release = `
  WITH released AS (
    UPDATE locks SET ends = now() WHERE key = $1 AND token = $2 AND ends > now() RETURNING key
  )
  SELECT pg_notify('locks', encode(key, 'hex')) FROM released`;

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
    const { rows } = await this.#pool.query(acquire, [keyOf(name), token, ttl]);
    const { token: holder, fence, life } = rows[0];
    return holder === token ? { granted: true, fence } : { granted: false, retryAfter: life };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    return (await this.#pool.query(extend, [keyOf(name), token, ttl])).rowCount === 1;
  }

  async release(name: string, token: string): Promise<boolean> {
    return (await this.#pool.query(release, [keyOf(name), token])).rowCount === 1;
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    if (!this.#listener) throw new Error('Nobody listens for this store');
    this.#listening ??= this.#listener.query('LISTEN locks');
    await this.#listening;
    const watcher = { key: keyOf(name).toString('hex'), wake };
    this.#watchers.add(watcher);
    return { [Symbol.asyncDispose]: async () => void this.#watchers.delete(watcher) };
  }
}

/** Text cannot hold every name, nor an index a long one; and a collation might call two the same. */
const keyOf = (name: string) => createHash('sha256').update(name).digest();
