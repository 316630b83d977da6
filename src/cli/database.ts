/** What the databases have in common: TLS where the server has it, and a table that the command makes. */
import { reasonOf } from '../base/errors.js';
import { within } from '../base/time-limit.js';
import { connectTimeout, UnusableStore } from './client.js';
import type { OpenStore } from './place.js';

/** The connections of a pool: one that renews, and one more. */
export const connectionLimit = 2;

/** A store over a pool that has not been asked anything yet. */
interface Database {
  readonly store: OpenStore;
  /** Makes the table of the locks. */
  readonly statement: string;
  isTableMissing(error: unknown): boolean;
  /** The server would be connected to in another manner, with TLS or without. */
  isTlsRefused(error: unknown): boolean;
  /** Safe where many do it at the same moment. */
  run(statement: string): Promise<unknown>;
  end(): Promise<unknown>;
}

/**
 * @param manners of connecting, with TLS and without, the first that the server takes.
 * @throws UnusableStore, after {@link connectTimeout} at the latest.
 */
export async function openDatabase<Manner>(
  manners: readonly Manner[],
  create: (manner: Manner) => Database,
): Promise<OpenStore> {
  const opened: Database[] = [];
  const open = async () => {
    for (const [index, manner] of manners.entries()) {
      const database = create(manner);
      opened.push(database);
      try {
        await ensureTable(database);
        return database.store;
      } catch (error) {
        if (index === manners.length - 1 || !database.isTlsRefused(error)) throw error;
      }
    }
    throw new Error('there is no way to connect');
  };
  try {
    return await within(connectTimeout, 'not connected', open());
  } catch (cause) {
    for (const database of opened) database.end().catch(() => {});
    if (cause instanceof UnusableStore) throw cause;
    throw new UnusableStore(reasonOf(cause), { cause });
  }
}

/** Those who run the command have no migrations. */
async function ensureTable(database: Database): Promise<void> {
  const { store, statement } = database;
  try {
    // Changes nothing, since nobody holds a lock by that token.
    await store.release('the table', 'nobody');
  } catch (error) {
    if (!database.isTableMissing(error)) throw error;
    await makeTable(database, statement);
  }
}

async function makeTable(database: Database, statement: string): Promise<void> {
  try {
    await database.run(statement.replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS'));
  } catch (cause) {
    throw new UnusableStore(
      `the table of the locks is missing, and could not be made (${reasonOf(cause)}); have it made by: ${oneLine(statement)}`,
      { cause },
    );
  }
}

/** Without its comments: a message is one line. */
function oneLine(statement: string): string {
  return `${statement.replace(/--.*$/gm, '').replace(/\s+/g, ' ').trim()};`;
}
