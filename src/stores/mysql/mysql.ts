/**
 * Locks in MySQL and MariaDB, through mysql2, mariadb, or a query builder.
 *
 * @module dlock-js/mysql
 */
import { createHash } from 'node:crypto';
import type { Attempt, LockStore, Query } from '../../store.js';
import { readOptions, type StoreOptions } from '../options.js';
import { checkRequest } from '../requests.js';
import { columnOf } from '../rows.js';
import { Sweep } from '../sweep.js';
import { insertIdOf, type MysqlClient, queryOf } from './client.js';
import { removeStale } from './stale.js';
import {
  defaultTable,
  holderMarks,
  leastFence,
  longestLife,
  type Statement,
  Statements,
  schema,
} from './statements.js';
import { explained, repeatUndone } from './trouble.js';

export type { MysqlClient };
export { schema };

/** The times of a {@link MysqlStore}, and its table. */
export interface MysqlStoreOptions extends StoreOptions {
  /** The table of the locks, which may begin with a database and a dot. Default: `dlock_locks`. */
  table?: string | undefined;
}

/**
 * Locks shared by everything that uses the same table of the same server. A migration creates the table by
 * the statement that `schema()` returns. Nobody is woken: waiting processes poll.
 *
 * The client still belongs to the caller. Each statement must be a transaction of its own: pass a pool, or a
 * connection that is never in the middle of one.
 *
 * ```ts
 * const store = new MysqlStore(createPool('mysql://root@127.0.0.1:3306/app'));
 * ```
 */
export class MysqlStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly maxTtl = longestLife;
  readonly #query: Query;
  readonly #table: string;
  readonly #statements: Statements;
  readonly #sweep: Sweep;

  /**
   * @param client a pool or a connection of `mysql2/promise` or `mariadb`; or a function that sends a
   * statement with `?` for its values, and resolves to what the client returned.
   * @throws TypeError or RangeError for another client, or for invalid options.
   */
  constructor(client: MysqlClient | Query, options?: MysqlStoreOptions) {
    this.#query = queryOf(client);
    const limits = { maxTtl: this.maxTtl, others: ['table'] };
    const { ttl, timeout } = readOptions('MysqlStore', options, limits);
    const { table = defaultTable } = options ?? {};
    this.ttl = ttl;
    this.timeout = timeout;
    this.#table = table;
    this.#statements = new Statements(table, timeout);
    this.#sweep = new Sweep(() => removeStale(this.#query, this.#statements));
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    const answer = await this.#ask(this.#statements.acquire(digest(name), digest(token), ttl));
    if (answer >= leastFence) return { granted: true, fence: answer };
    if (answer === 0) throw new TypeError('The query gave 0 as its insertId');
    const retryAfter = Math.floor(answer / holderMarks) + 1;
    return { granted: false, retryAfter, holder: String(answer % holderMarks) };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    return this.#askWhetherOurs(this.#statements.extend(digest(name), digest(token), ttl));
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    const ours = await this.#askWhetherOurs(this.#statements.release(digest(name), digest(token)));
    this.#sweep.begin();
    return ours;
  }

  async record(
    query: Query,
    name: string,
    token: string,
    heir: string,
    ttl: number,
  ): Promise<boolean> {
    const id = digest(name);
    const send = ({ text, values }: Statement) => query(text, values);
    const [ours] = columnOf(await send(this.#statements.claim(id, digest(token))));
    if (Number(ours ?? 0) !== 1) return false;
    await send(this.#statements.pass(id, digest(heir), ttl));
    return true;
  }

  /** Resolves when no row is being removed any more. */
  settled(): Promise<void> {
    return this.#sweep.settled();
  }

  async #askWhetherOurs(statement: Statement): Promise<boolean> {
    const answer = await this.#ask(statement);
    if (answer === 0 || answer >= leastFence) return answer !== 0;
    throw new TypeError(`The query gave ${answer} as its insertId`);
  }

  async #ask({ text, values }: Statement): Promise<number> {
    try {
      return insertIdOf(await repeatUndone(() => this.#query(text, values)));
    } catch (error) {
      throw explained(error, this.#table);
    }
  }
}

/** No name is too long for it, no collation takes two for one, and no setting makes a quote of its digits. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
