/** Databases of MariaDB or MySQL in which a test is alone, whoever else uses the server. */
import { randomUUID } from 'node:crypto';
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise';
import { schema } from '../../src/stores/mysql/statements.js';
import { sharedMysql } from './servers.js';

export interface Database extends AsyncDisposable {
  /** Leads to the database, in which the table of locks is. */
  readonly url: string;
  readonly pool: Pool;
  /** Another pool, which ends with the database. */
  connect(options?: PoolOptions): Pool;
}

/** @param server its URL. Default: that of the server that the tests share. */
export async function openDatabase(server?: string): Promise<Database> {
  const name = `dlock_${randomUUID().replaceAll('-', '_')}`;
  const url = new URL(server ?? (await sharedMysql()));
  await using root = createPool(url.href);
  await root.query(`CREATE DATABASE ${name}`);
  url.pathname = name;
  const pools: Pool[] = [];
  const connect = (options: PoolOptions = {}) => {
    const pool = createPool({ uri: url.href, ...options });
    pools.push(pool);
    return pool;
  };
  const pool = connect();
  await pool.query(schema());
  const close = async () => {
    await pool.query(`DROP DATABASE ${name}`).catch(() => {}); // the server may be gone
    // A connection that is just being opened finds the database gone.
    await Promise.allSettled(pools.map((open) => open.end()));
  };
  return { url: url.href, pool, connect, [Symbol.asyncDispose]: close };
}
