/** How each client of PostgreSQL listens to notifications. */
import type { PGliteClient, PgListener, PostgresJsClient, PostgresJsListening } from './clients.js';
import type { ListenerConnection, ListenerEvents, OpenListener } from './session.js';

/** How postgres.js keeps its channels, and the connection for them, is not documented. */
interface ListeningSql {
  readonly listen: NonNullable<PostgresJsClient['listen']> & {
    readonly channels?: Record<string, unknown>;
    sql?: { close(): Promise<unknown> } | undefined;
  };
}

export function listenerOfPg(createListener: () => PgListener): OpenListener {
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
export function listenerOfPostgresJs(
  client: PostgresJsClient,
  events: ListenerEvents,
): ListenerConnection {
  const sql = client as ListeningSql;
  let requested: readonly string[] = [];
  let stops: PostgresJsListening[] | undefined;
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
      // A connection that was lost while something was being written may never be able to write again
      // (postgres.js 3.4), and all later requests for its channels would wait for it. The next opens another one,
      // which takes over what others listen to when this one has closed.
      const { listen } = sql;
      for (const channel of requested) delete listen.channels?.[channel];
      const unusable = listen.sql;
      listen.sql = undefined;
      await unusable?.close();
    },
  };
}

export function listenerOfPGlite(client: PGliteClient, events: ListenerEvents): ListenerConnection {
  let stops: (() => Promise<unknown>)[] = [];
  return {
    async listen(channels) {
      stops = await Promise.all(channels.map((channel) => client.listen(channel, events.heard)));
    },
    close: () => Promise.all(stops.map((stop) => stop())),
  };
}
