/** What a query answered, in the form of whichever client carried it out. */
import { shown } from '../base/shown.js';

/**
 * The rows: an array, or `rows` of an object (`pg`, Kysely), or the first of an array that has the fields
 * behind them (`mysql2`, Knex and Drizzle over it).
 *
 * @throws TypeError for what holds no rows.
 */
export function rowsOf(answer: unknown): readonly unknown[] {
  const rows = Array.isArray(answer) ? answer : Object(answer).rows;
  if (!Array.isArray(rows)) throw new TypeError(`The query gave no rows but ${shown(answer)}`);
  return Array.isArray(rows[0]) && rows === answer && rows.length === 2 ? rows[0] : rows;
}

/** The first column of each row, whether the client gives rows as objects or as arrays. */
export function columnOf(answer: unknown): readonly unknown[] {
  return rowsOf(answer).map((row) => Object.values(Object(row))[0]);
}
