/**
 * The statements of the locks in MySQL and MariaDB. Each is a transaction of its own and touches one row, by
 * the primary key alone; the time is that of the server. What it found comes back as LAST_INSERT_ID, which
 * every client hands on, whatever it makes of the number of rows.
 *
 * A lock is free when its `ends` is not in the future. A release makes it negative, so that a clock which is
 * set back does not take the lock again. No statement relies on the order in which the server assigns columns.
 */

import { requirements } from '../../base/arguments.js';

/** One round trip: the text, and a value for each `?` in it, in order. */
export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

export const defaultTable = 'dlock_locks';

/**
 * The statement that creates the table of the locks, for a migration.
 *
 * @param table its name, which may begin with that of its database, and a dot. Default: `dlock_locks`.
 * @throws RangeError for a name that is none.
 */
export function schema(table: string = defaultTable): string {
  return `CREATE TABLE ${quoted(table)} (
  id     BINARY(32) NOT NULL PRIMARY KEY, -- SHA-256 of the name
  holder BINARY(32) NOT NULL,             -- SHA-256 of the token
  ends   BIGINT     NOT NULL,             -- microseconds since 1970, UTC; negative: released then
  fence  BIGINT     NOT NULL
) ENGINE=InnoDB`;
}

function quoted(table: string): string {
  const must = requirements('MysqlStore');
  must(TypeError, typeof table === 'string', 'table', 'be a string', table);
  const isName = /^[\w$]{1,64}(\.[\w$]{1,64})?$/.test(table);
  must(RangeError, isName, 'table', 'be of letters, digits, _ and $, with one dot at most', table);
  return table.replaceAll(/[\w$]+/g, '`$&`');
}

/** The last time, in milliseconds, that fits beside the mark of a holder below the least fence. */
export const longestLife = 10 ** 12 - 1;
/** A fence is at least this, and what a refusal says is less. */
export const leastFence = 10 ** 15;
/** By how many marks, from 1 on, holders are told apart; no client that answers 0 has said anything. */
export const holderMarks = 1_000;

/** The moment at which the statement began: microseconds since 1970, whatever the zone of the session. */
const now = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`;
/** How many rows a sweep removes at once. */
export const batch = 1_000;

const isFree = `ends <= ${now}`;
const isOurs = `holder = UNHEX(?) AND ends > ${now}`;
/** Milliseconds until the holder's life ends, and which of some holders it is. */
const refusal = `LEAST((ends - ${now}) DIV 1000, ${longestLife}) * ${holderMarks} + 1 + CRC32(holder) MOD ${holderMarks - 1}`;
/** When it was used last. */
const used = 'ABS(ends)';
const aDayAgo = `${now} - 86400000000`;

/** The statements for one table. Names and tokens are 64 hexadecimal digits, times in milliseconds. */
export class Statements {
  readonly #table: string;
  readonly #bounded: string;

  /**
   * @param timeout how long the server may wait for a row that somebody else has locked, in milliseconds.
   * MariaDB takes that from the statement, in whole seconds; for MySQL it is a comment.
   */
  constructor(table: string, timeout: number) {
    const seconds = Math.min(Math.ceil(timeout / 1_000), 31_536_000);
    const limits = `innodb_lock_wait_timeout=${seconds}, lock_wait_timeout=${seconds}`;
    this.#table = quoted(table);
    this.#bounded = `/*M! SET STATEMENT ${limits} FOR */ `;
  }

  /** Answers the fence, to whoever holds the lock now; to all others the {@link refusal}. */
  acquire(id: string, holder: string, ttl: number): Statement {
    const text = `${this.#bounded}INSERT INTO ${this.#table} (id, holder, ends, fence)
VALUES (UNHEX(?), UNHEX(?), ${now} + ? * 1000, LAST_INSERT_ID(GREATEST(${now}, ${leastFence})))
ON DUPLICATE KEY UPDATE
  fence = IF(${isFree}, LAST_INSERT_ID(GREATEST(fence + 1, VALUES(fence))),
    IF(LAST_INSERT_ID(IF(holder = VALUES(holder), fence, ${refusal})), fence, fence)),
  holder = IF(${isFree}, VALUES(holder), holder),
  ends = IF(${isFree}, VALUES(ends), ends)`;
    return { text, values: [id, holder, ttl] };
  }

  /** Answers the fence, or 0: not ours. */
  extend(id: string, holder: string, ttl: number): Statement {
    const text = `${this.#bounded}UPDATE ${this.#table} SET ends = IF(LAST_INSERT_ID(fence), ${now} + ? * 1000, ends)
WHERE id = UNHEX(?) AND ${isOurs}`;
    return { text, values: [ttl, id, holder] };
  }

  /** Answers the fence, or 0: not ours. */
  release(id: string, holder: string): Statement {
    const text = `${this.#bounded}UPDATE ${this.#table} SET ends = IF(LAST_INSERT_ID(fence), -${now}, ends)
WHERE id = UNHEX(?) AND ${isOurs}`;
    return { text, values: [id, holder] };
  }

  /** Locks the row until the end of the transaction. Answers one row, with 1 if the lock is ours. */
  claim(id: string, holder: string): Statement {
    const text = `SELECT ${isOurs} AS ours FROM ${this.#table} WHERE id = UNHEX(?) FOR UPDATE`;
    return { text, values: [holder, id] };
  }

  /** Gives a row that is locked to another holder. */
  pass(id: string, heir: string, ttl: number): Statement {
    const text = `UPDATE ${this.#table} SET holder = UNHEX(?), ends = ${now} + ? * 1000 WHERE id = UNHEX(?)`;
    return { text, values: [heir, ttl, id] };
  }

  /** Answers rows with the locks that were used last more than a day ago, some of them, and locks nothing. */
  stale(): Statement {
    const text = `SELECT HEX(id) AS id FROM ${this.#table} WHERE ${used} < ${aDayAgo} LIMIT ${batch}`;
    return { text, values: [] };
  }

  /** Deletes those that have not been used since. */
  remove(ids: string[]): Statement {
    const list = ids.map(() => 'UNHEX(?)').join(', ');
    const text = `${this.#bounded}DELETE FROM ${this.#table} WHERE id IN (${list}) AND ${used} < ${aDayAgo}`;
    return { text, values: ids };
  }
}
