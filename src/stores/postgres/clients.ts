/** The clients of PostgreSQL, recognised by what no other client has: what the store needs of each. */
import { createHash } from 'node:crypto';
import { shown } from '../../base/shown.js';
import { type Library, libraryOf } from '../clients.js';
import { sqlStateOf } from './errors.js';
import type { ListenerConnection, ListenerEvents, OpenListener } from './session.js';

/** Sends one statement, with its parameters, and resolves to the rows of the answer. */
export type PostgresQuery = (
  text: string,
  values: string[],
) => Promise<readonly unknown[] | { readonly rows: readonly unknown[] }>;

/** The part of a `Pool` or a `Client` of pg (8) that the store needs. */
export interface PgClient {
  /** Sends one statement, prepared under its name if it has one. */
  query(query: { name?: string; text: string; values: string[] }): Promise<{ rows: unknown[] }>;
  /** Never called: by it, clients of pg are told from all others. */
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** The part of an `Sql` of postgres.js (3) that the store needs. */
export interface PostgresJsClient {
  /** Sends one statement; resolves to its rows. */
  unsafe(text: string, values: string[]): PromiseLike<readonly unknown[]>;
  /** Hears notifications. Where there is none, nobody is woken: those who wait ask more often. */
  listen?(
    channel: string,
    hear: (payload: string) => void,
    listening: () => void,
  ): Promise<PostgresJsListening>;
}

/** What postgres.js gives to whoever listens. */
export interface PostgresJsListening {
  /** Hears no more. */
  unlisten(): Promise<unknown>;
}

/** The part of a `PGlite` that the store needs. */
export interface PGliteClient {
  /** Sends one statement; resolves to its rows. */
  query(text: string, values: string[]): Promise<{ rows: unknown[] }>;
  /** Hears notifications until the function is called to which it resolves. */
  listen(channel: string, hear: (payload: string) => void): Promise<() => Promise<unknown>>;
  readonly waitReady: Promise<unknown>;
}

/** A client of pg that is not connected yet. */
export interface PgListener {
  /** Called once, before all others. */
  connect(): Promise<unknown>;
  /** Sends a LISTEN. */
  query(text: string): Promise<unknown>;
  /** It was lost. */
  on(event: 'error' | 'end', listener: () => void): unknown;
  /** It has heard something. */
  on(
    event: 'notification',
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  /** Nobody needs it any more. */
  end(): Promise<unknown>;
}

/** What leads to the server: a client, or a function that sends a statement. */
export type PostgresClient = PgClient | PostgresJsClient | PGliteClient | PostgresQuery;

/** A client, as the store uses it. */
export interface PostgresAccess {
  readonly query: PostgresQuery;
  /** Undefined: nobody can be woken. */
  readonly openListener: OpenListener | undefined;
  /** Requests are carried out in the order in which they were made. */
  readonly isOrdered: boolean;
}

/**
 * @param createListener what makes the connection by which those who wait are woken, instead of one like those
 * of the client.
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
    return { query: client as PostgresQuery, openListener: undefined, isOrdered: false };
  }
  const given = library ? `a client of ${library}` : shown(client);
  throw new TypeError(
    `PostgresStore needs a client of pg, postgres or PGlite, or a function (text, values) that queries, not ${given}`,
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
      isOrdered: !Client,
    };
  },
  postgres(sql: PostgresJsClient): PostgresAccess {
    return {
      query: async (text, values) => sql.unsafe(text, values),
      openListener: sql.listen && ((events) => listenerOfPostgresJs(sql as ListeningSql, events)),
      isOrdered: false,
    };
  },
  pglite(client: PGliteClient): PostgresAccess {
    return {
      query: (text, values) => client.query(text, values),
      openListener: (events) => listenerOfPGlite(client, events),
      isOrdered: true,
    };
  },
} satisfies Partial<Record<Library, (client: never) => PostgresAccess>>;

/** What postgres.js keeps of the channels is not documented. */
interface ListeningSql {
  readonly listen: NonNullable<PostgresJsClient['listen']> & {
    readonly channels?: Record<string, unknown>;
  };
}

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

function listenerOfPg(createListener: () => PgListener): OpenListener {
  return (events) => {
    const client = createListener();
    client.on('error', events.lost);
    client.on('end', events.lost);
    client.on('notification', ({ payload = '' }) => events.heard(payload));
    return {
      async listen(channels) {
        await client.connect();
        await client.query(channels.map((channel) => `LISTEN "${channel}"`).join('; '));
      },
      close: () => client.end(),
    };
  };
}

/** It has a connection for all who listen, which connects again by itself. */
function listenerOfPostgresJs(sql: ListeningSql, events: ListenerEvents): ListenerConnection {
  let requested: readonly string[] = [];
  let stops: { unlisten(): Promise<unknown> }[] | undefined;
  const again = () => {
    if (stops) events.resumed();
  };
  return {
    async listen(channels) {
      requested = channels;
      stops = await Promise.all(
        channels.map((channel) => sql.listen(channel, events.heard, again)),
      );
    },
    async close() {
      if (stops) return Promise.all(stops.map((stop) => stop.unlisten()));
      // A request that was under way when the connection was lost may never end (postgres.js 3.4), and all
      // later ones for the channel would wait for it.
      for (const channel of requested) delete sql.listen.channels?.[channel];
    },
  };
}

function listenerOfPGlite(client: PGliteClient, events: ListenerEvents): ListenerConnection {
  let stops: (() => Promise<unknown>)[] = [];
  return {
    async listen(channels) {
      stops = await Promise.all(channels.map((channel) => client.listen(channel, events.heard)));
    },
    close: () => Promise.all(stops.map((stop) => stop())),
  };
}
