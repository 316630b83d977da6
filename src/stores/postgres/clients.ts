/** The clients of PostgreSQL: what the store needs of each. */

/** Sends one statement, with its parameters, and resolves to the rows of the answer. */
export type PostgresQuery = (
  text: string,
  values: string[],
) => Promise<readonly unknown[] | { readonly rows: readonly unknown[] }>;

/** The part of a `Pool` or a `Client` of pg (8) that the store needs. */
export interface PgClient {
  /** Sends one statement, prepared under its name if it has one. */
  query(query: { name?: string; text: string; values: string[] }): Promise<{ rows: unknown[] }>;
  /** Never called: no other client has it with `query`. */
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** The part of an `Sql` of postgres.js (3) that the store needs. */
export interface PostgresJsClient {
  /** Sends one statement; resolves to its rows. */
  unsafe(text: string, values: string[]): PromiseLike<readonly unknown[]>;
  /** Receives notifications. Where there is none, nobody is woken: waiting processes ask more often. */
  listen?(
    channel: string,
    hear: (payload: string) => void,
    listening: () => void,
  ): Promise<PostgresJsListening>;
}

/** What `listen` of postgres.js resolves to. */
export interface PostgresJsListening {
  /** Stops listening. */
  unlisten(): Promise<unknown>;
}

/** The part of a `PGlite` that the store needs. */
export interface PGliteClient {
  /** Sends one statement; resolves to its rows. */
  query(text: string, values: string[]): Promise<{ rows: unknown[] }>;
  /** Receives notifications until the function to which it resolves is called. */
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
  /** It has received something. */
  on(
    event: 'notification',
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  /** Nobody needs it any more. */
  end(): Promise<unknown>;
}

/** What leads to the server: a client, or a function that sends a statement. */
export type PostgresClient = PgClient | PostgresJsClient | PGliteClient | PostgresQuery;
