/** What asks the server: a client of mysql2 or mariadb, or a function over any other. */
import type { Query } from '../../store.js';
import { checkClient } from '../clients.js';

/** A pool or a connection of `mysql2/promise` or of `mariadb`: the part of it that the store needs. */
export interface MysqlClient {
  /** Sends one statement; resolves to the result. */
  query(options: QueryOptions, values: unknown[]): Promise<unknown>;
  readonly execute: unknown;
  /** A client that has it answers by callbacks. */
  promise?: never;
}

/** How a statement is sent, whatever the client is told to do with those of its user. */
interface QueryOptions {
  readonly sql: string;
  readonly namedPlaceholders: false;
  readonly rowsAsArray: false;
}

const options = { namedPlaceholders: false, rowsAsArray: false } as const;

/** @throws TypeError for another client, or one that does not answer by promises. */
export function queryOf(client: MysqlClient | Query): Query {
  if (typeof client === 'function') return client;
  checkClient('mysql2/promise or mariadb', client);
  return (sql, values) => client.query({ sql, ...options }, values);
}

/**
 * The LAST_INSERT_ID that came with an answer: a number, a BigInt or digits, as the client is set; mysql2, and
 * Knex and Drizzle over it, give it in an array, and Kysely leaves it out if it is 0.
 *
 * @throws TypeError for an answer without one.
 */
export function insertIdOf(answer: unknown): number {
  const { insertId, numAffectedRows } = Object(Array.isArray(answer) ? answer[0] : answer);
  const id = Number(insertId ?? (numAffectedRows === undefined ? NaN : 0));
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new TypeError(`The query gave no insertId but ${String(insertId)}`);
}
