/** PostgreSQL, through pg. */
import type { ConnectionOptions } from 'node:tls';
import type { Pool } from 'pg';
import { PostgresStore, schema } from '../stores/postgres/postgres.js';
import { connectTimeout, load, refuse } from './client.js';
import { connectionLimit, openDatabase } from './database.js';
import { hostAndPort, identityOf } from './hosts.js';
import type { KeyOptions, Kind, OpenStore, Place } from './place.js';
import { type PostgresServer, readPostgresUrl } from './postgres-url.js';
import { contentsOf } from './tls-files.js';

export const postgres: Kind = {
  schemes: ['postgres://', 'postgresql://'],
  read: (url) => placeOf(readPostgresUrl(url)),
};

function placeOf(server: PostgresServer): Place {
  return {
    name: nameOf(server),
    identities() {
      const { address, port } = server;
      return [
        identityOf('path' in address ? { path: `${address.path}/.s.PGSQL.${port}` } : address),
      ];
    },
    check: (options) => void new PostgresStore(refuse, { ...options, ...tableOf(server) }),
    connects: true,
    shares: true,
    async load() {
      const { default: library } = await load('pg', () => import('pg'));
      return (options) => openPostgres(library.Pool, server, options);
    },
  };
}

function tableOf({ table }: PostgresServer) {
  return table === undefined ? {} : { table };
}

function nameOf({ address, port, database = '' }: PostgresServer): string {
  return 'path' in address
    ? `postgres:///${database}?host=${address.path}&port=${port}`
    : `postgres://${hostAndPort(address)}/${database}`;
}

type Ssl = ConnectionOptions | false;

/** The manners of connecting, in the order in which psql tries them. A socket has no TLS. */
function mannersOf({ address, mode, files }: PostgresServer): Ssl[] {
  if ('path' in address) return [false];
  const contents = contentsOf(files);
  const unverified: Ssl = { ...contents, rejectUnauthorized: false };
  const verified: Ssl = { ...contents, rejectUnauthorized: true };
  const issued: Ssl = { ...verified, checkServerIdentity: () => undefined };
  switch (mode) {
    case 'disable':
      return [false];
    case 'allow':
      return [false, unverified];
    case 'prefer':
      return [unverified, false];
    case 'require':
      // Whoever names an authority wants it to be asked, says the documentation of libpq.
      return [files.cacert ? issued : unverified];
    case 'verify-ca':
      return [issued];
    case 'verify-full':
      return [verified];
  }
}

/** The advisory lock by which one after the other makes the table: a number that nobody else has. */
const makingTable = 7_210_563_984_127;

const noSuchTable = '42P01';
/** Of the server's list of those it lets in, by address and with TLS or without (`pg_hba.conf`). */
const notLetIn = '28000';

function openPostgres(
  Pool: new (options: object) => Pool,
  server: PostgresServer,
  options: KeyOptions,
): Promise<OpenStore> {
  return openDatabase(mannersOf(server), (ssl) => {
    const pool = poolOf(Pool, server, ssl);
    return {
      store: new PostgresStore(pool, { ...options, ...tableOf(server) }),
      statement: schema(server.table),
      isTableMissing: (error) => codeOf(error) === noSuchTable,
      isTlsRefused: (error) =>
        codeOf(error) === notLetIn || /does not support SSL/.test((error as Error).message),
      // Statements that are sent together are one transaction; two that make a table would collide.
      run: (statement) => pool.query(`SELECT pg_advisory_xact_lock(${makingTable}); ${statement}`),
      end: () => pool.end(),
    };
  });
}

function poolOf(
  Pool: new (options: object) => Pool,
  { address, port, database, credentials: { username, password } }: PostgresServer,
  ssl: Ssl,
): Pool {
  const pool = new Pool({
    host: 'path' in address ? address.path : address.host,
    port,
    ...(username !== undefined && { user: username }),
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    ssl,
    max: connectionLimit,
    connectionTimeoutMillis: connectTimeout,
  });
  // Of connections that are not in use: the next request has a new one.
  pool.on('error', () => {});
  return pool;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
