/** A database that holds both the locks of a job and its results, for tests of what happens exactly once. */
import { MysqlStore } from 'dlock-js/mysql';
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
  close(): Promise<void>;
}

/** Opens what {@link createResults} has created, by its URL: `mysql://...`. */
export async function openResults(url: string): Promise<Results> {
  const { createPool } = await import('mysql2/promise');
  const pool = createPool(url);
  return {
    store: new MysqlStore(pool),
    async transaction(work) {
      const connection = await pool.getConnection();
      const query: Query = (text, values) => connection.query(text, values);
      const write = async (job: string, period: number) => {
        await query('INSERT INTO results VALUES (?, ?, ?)', [job, period, process.pid]);
      };
      let sent = () => {};
      try {
        await connection.beginTransaction();
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
    close: () => pool.end(),
  };
}

/** Without a unique key: what is written twice is there twice. */
export const createResults = `CREATE TABLE results (job varchar(100), period int, process int)`;
