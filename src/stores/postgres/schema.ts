/** The table in which the locks lie: its name, and how it is made. */
import { requirements } from '../../base/arguments.js';

export const defaultTable = 'dlock_locks';

/** As in SQL, but case counts; each part as long as PostgreSQL allows. */
const names = /^([A-Za-z_][A-Za-z0-9_]{0,62}\.)?[A-Za-z_][A-Za-z0-9_]{0,62}$/;

/** @throws TypeError or RangeError for another name. */
export function quotedTable(owner: string, table: string): string {
  const must = requirements(owner);
  must(TypeError, typeof table === 'string', 'table', 'be a string', table);
  const rule = 'be the name of a table, of letters, digits and _, or schema.table';
  must(RangeError, names.test(table), 'table', rule, table);
  return table.replace(/[^.]+/g, '"$&"');
}

/**
 * Times are finite, since before PostgreSQL 17 nothing can be subtracted from -infinity.
 *
 * @param table its quoted name.
 */
export const createTable = (table: string) => `CREATE TABLE ${table} (
  key     bytea       PRIMARY KEY,
  name    text        NOT NULL,
  token   text        NOT NULL DEFAULT '',
  ends    timestamptz NOT NULL DEFAULT 'epoch',
  fence   bigint      NOT NULL DEFAULT 0,
  awaited timestamptz NOT NULL DEFAULT 'epoch',
  holders jsonb,
  queue   jsonb
) WITH (fillfactor = 50)`;
