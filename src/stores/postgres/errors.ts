/** What PostgreSQL says of a statement that it has not carried out (its manual, "PostgreSQL Error Codes"). */

/** The server has undone the statement, and says that it may be sent again: a serialization failure, a deadlock. */
export const undone: ReadonlySet<string> = new Set(['40001', '40P01']);

export const noSuchTable = '42P01';

/** What libraries wrap the error of their driver in. */
const wrappings = ['meta', 'cause', 'driverError', 'driverAdapterError'];

/** The SQLSTATE of an error, wherever the client has put it. */
export function sqlStateOf(error: unknown, depth = 0): string | undefined {
  const fields = Object(error) as Partial<Record<string, unknown>>;
  for (const wrapping of depth < 3 ? wrappings : []) {
    const state = sqlStateOf(fields[wrapping], depth + 1);
    if (state !== undefined) return state;
  }
  // The error of the driver, within that of Prisma, whose own `code` is no SQLSTATE.
  const { originalCode, code = originalCode } = fields;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
