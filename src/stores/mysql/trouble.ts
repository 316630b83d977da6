/** What the errors of MySQL and MariaDB say, whatever a query builder has wrapped them in. */
import { schema } from './statements.js';

/** A deadlock, also between the nodes of a cluster: the server has undone the statement. */
const deadlock = 1213;
const noSuchTable = 1146;

/** How often a statement is sent that the server undoes each time. */
const attempts = 10;

/** Repeats what the server says it has undone. */
export async function repeatUndone<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (attempt === attempts || errnoOf(error) !== deadlock) throw error;
    }
  }
}

/** An error of the same number that says how to create the table, where there is none; any other as it is. */
export function explained(error: unknown, table: string): unknown {
  if (errnoOf(error) !== noSuchTable) return error;
  const message = `There is no table ${table}; create it with\n${schema(table)}`;
  return Object.assign(new Error(message, { cause: error }), { errno: noSuchTable });
}

function errnoOf(error: unknown): number | undefined {
  const { errno, cause } = Object(error) as { errno?: unknown; cause?: unknown };
  if (typeof errno === 'number') return errno;
  return cause === undefined || cause === error ? undefined : errnoOf(cause);
}
