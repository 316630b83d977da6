/** A database that holds both the locks of a job and its results, for tests of what happens exactly once. */
import { MysqlStore } from 'dlock-js/mysql';
import { PostgresStore } from 'dlock-js/postgres';
import type { LockStore, Query } from '../../src/store.js';

export interface Transaction {
  readonly query: Query;
  /** Writes one result of a period. */
  write(job: string, period: number): Promise<void>;
}

export interface Results {
  readonly store: LockStore;
  /**
   * Commits what the work has written; rolls back if it fails.
   *
   * @param work may ask to be called when the commit has been sent, and is not answered yet.
   */
  transaction(
    work: (transaction: Transaction, onCommit: (sent: () => void) => void) => Promise<void>,
  ): Promise<void>;
  /** The last that has results; 0: none has. */
  lastPeriod(job: string): Promise<number>;
  close(): Promise<void>;
}

/** A connection, as far as a transaction needs it. */
interface Connection {
  readonly query: Query;
  readonly insert: string;
  begin(): Promise<unknown>;
  commit(): Promise<unknown>;
  rollback(): Promise<unknown>;
  release(): void;
}

/** Opens what {@link createResults} has created, by its URL: `mysql://...` or `postgres://...`. */
export async function openResults(url: string): Promise<Results> {
  const { store, connect, last, close } = await (url.startsWith('mysql:')
    ? openMysql
    : openPostgres)(url);
  return {
    store,
    async transaction(work) {
      const connection = await connect();
      const { query, insert } = connection;
      const write = async (job: string, period: number) => {
        await query(insert, [job, period, process.pid]);
      };
      let sent = () => {};
      try {
        await connection.begin();
        await work({ query, write }, (callback) => {
          sent = callback;
        });
        const committed = connection.commit();
        setImmediate(sent);
        await committed;
      } catch (error) {
        await connection.rollback();
        throw error;
      } finally {
        connection.release();
      }
    },
    lastPeriod: async (job) => Number((await last(job)) ?? 0),
    close,
  };
}

async function openMysql(url: string) {
  const { createPool } = await import('mysql2/promise');
  const pool = createPool(url);
  return {
    store: new MysqlStore(pool),
    async last(job: string) {
      const [rows] = await pool.query('SELECT MAX(period) AS last FROM results WHERE job = ?', [
        job,
      ]);
      return (rows as { last: unknown }[])[0]?.last;
    },
    async connect(): Promise<Connection> {
      const connection = await pool.getConnection();
      return {
        query: (text, values) => connection.query(text, values),
        insert: 'INSERT INTO results VALUES (?, ?, ?)',
        begin: () => connection.beginTransaction(),
        commit: () => connection.commit(),
        rollback: () => connection.rollback(),
        release: () => connection.release(),
      };
    },
    close: () => pool.end(),
  };
}

async function openPostgres(url: string) {
  const { Pool } = await import('pg');
  const pool = new Pool({ connectionString: url });
  return {
    store: new PostgresStore(pool),
    async last(job: string) {
      const text = 'SELECT MAX(period) AS last FROM results WHERE job = $1';
      return (await pool.query(text, [job])).rows[0]?.last;
    },
    async connect(): Promise<Connection> {
      const client = await pool.connect();
      return {
        query: (text, values) => client.query(text, values),
        insert: 'INSERT INTO results VALUES ($1, $2, $3)',
        begin: () => client.query('BEGIN'),
        commit: () => client.query('COMMIT'),
        rollback: () => client.query('ROLLBACK'),
        release: () => client.release(),
      };
    },
    close: () => pool.end(),
  };
}

/** Without a unique key: what is written twice is there twice. */
export const createResults = `CREATE TABLE results (job varchar(100), period int, process int)`;
