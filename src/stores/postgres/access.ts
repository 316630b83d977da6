/** The way to the server by each client of PostgreSQL, which is recognised by what no other client has. */
import { createHash } from 'node:crypto';
import { clientShown, type Library, libraryOf } from '../clients.js';
import type {
  PGliteClient,
  PgClient,
  PgListener,
  PostgresClient,
  PostgresJsClient,
  PostgresQuery,
} from './clients.js';
import { sqlStateOf } from './errors.js';
import { listenerOfPGlite, listenerOfPg, listenerOfPostgresJs } from './listeners.js';
import type { OpenListener } from './session.js';

/** A client, as the store uses it. */
export interface PostgresAccess {
  readonly query: PostgresQuery;
  /** Undefined: nobody can be woken. */
  readonly openListener: OpenListener | undefined;
  /** Whether a request goes the same way whoever makes it: a function may look at the caller's async context. */
  readonly isSameForAll: boolean;
}

/**
 * @param createListener makes the connection by which waiting processes are woken. Default: one like those of the
 * client.
 * @throws TypeError for any other client.
 */
export function accessTo(
  client: PostgresClient,
  createListener?: () => PgListener,
): PostgresAccess {
  const access = accessOf(client);
  return createListener ? { ...access, openListener: listenerOfPg(createListener) } : access;
}

function accessOf(client: PostgresClient): PostgresAccess {
  const library = libraryOf(client);
  const access = accesses[library as keyof typeof accesses];
  if (access) return access(client as never);
  if (!library && typeof client === 'function') {
    return { query: client as PostgresQuery, openListener: undefined, isSameForAll: false };
  }
  throw new TypeError(
    `PostgresStore needs a client of pg, postgres or PGlite, or a function (text, values) that queries, not ${clientShown(client)}`,
  );
}

const accesses = {
  pg(client: PgClient): PostgresAccess {
    const { Client, options, connectionParameters } = client as PgClient & Partial<PgInsides>;
    const createListener = () =>
      Client
        ? new Client(options)
        : new (client.constructor as PgInsides['Client'])(connectionParameters);
    return {
      query: queryOfPg(client),
      openListener: listenerOfPg(createListener),
      isSameForAll: true,
    };
  },
  postgres(sql: PostgresJsClient): PostgresAccess {
    return {
      query: async (text, values) => sql.unsafe(text, values),
      openListener: sql.listen && ((events) => listenerOfPostgresJs(sql, events)),
      isSameForAll: true,
    };
  },
  pglite(client: PGliteClient): PostgresAccess {
    return {
      query: (text, values) => client.query(text, values),
      openListener: (events) => listenerOfPGlite(client, events),
      isSameForAll: true,
    };
  },
} satisfies Partial<Record<Library, (client: never) => PostgresAccess>>;

/** A pool of pg makes its clients of these; a client has been made of `connectionParameters`. */
interface PgInsides {
  readonly Client: new (options: unknown) => PgListener;
  readonly options: unknown;
  readonly connectionParameters: unknown;
}

/** What the server says of a statement that a connection does not know, or knows already. */
const isNotPrepared = (error: unknown) => ['26000', '42P05'].includes(sqlStateOf(error) ?? '');

/**
 * A connection that has seen a statement runs it by its name, which saves the server most of its work. Behind a
 * pooler it may be another connection than that which has seen it: then none has a name any more.
 */
function queryOfPg(client: PgClient): PostgresQuery {
  let areNamed = true;
  return async (text, values) => {
    if (!areNamed) return client.query({ text, values });
    return client.query({ name: nameOf(text), text, values }).catch((error) => {
      if (!isNotPrepared(error)) throw error;
      areNamed = false;
      return client.query({ text, values });
    });
  };
}

const names = new Map<string, string>();

function nameOf(text: string): string {
  const name = names.get(text) ?? `dlock_${createHash('sha1').update(text).digest('hex')}`;
  names.set(text, name);
  return name;
}
