/** The URLs of PostgreSQL, as psql takes them. */
import { UsageError } from './arguments.js';
import type { Host, Socket } from './hosts.js';
import { type TlsFiles, tlsFiles } from './tls-files.js';
import {
  type Credentials,
  credentialsOf,
  decoded,
  hostOf,
  parseUrlWithParameters,
  readParameters,
} from './url-parts.js';

/** How psql calls them. */
const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

export interface PostgresServer {
  readonly address: Host | Socket;
  /** Of a socket, it is part of the name. */
  readonly port: number;
  /** Undefined: called as the user. */
  readonly database: string | undefined;
  readonly credentials: Credentials;
  /** Undefined: the one that is usual. */
  readonly table: string | undefined;
  readonly mode: (typeof modes)[number];
  readonly files: TlsFiles;
}

const form =
  'the URL of a PostgreSQL server is postgres://[user[:password]@]host[:port][/database][?table=name&sslmode=mode&sslrootcert=file&sslcert=file&sslkey=file], or postgres:///database?host=directory[&port=number] for a socket';
const usualPort = 5_432;

export function readPostgresUrl(url: string): PostgresServer {
  const parsed = parseUrlWithParameters(url);
  const { hostname, pathname, search, username, password } = parsed;
  const names = ['table', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'port'] as const;
  const parameters = readParameters(search, names, form);
  const { table, host, port, sslrootcert: cacert, sslcert: cert, sslkey: key } = parameters;
  const [path, database] = /^\/?([^/]*)$/.exec(pathname) ?? [];
  const isSocket = host?.startsWith('/') && !/^0|\D/.test(port ?? `${usualPort}`);
  const isWhole = host === undefined ? hostname !== '' && port === undefined : isSocket;
  const files = tlsFiles(cacert, cert, key);
  if (!isWhole || path === undefined || !files) throw new UsageError(form);
  const mode = modes.find((each) => each === (parameters.sslmode ?? 'prefer'));
  if (!mode) throw new UsageError(`the sslmode of a postgres:// URL is ${modes.join(', ')}`);
  const address = hostOf(parsed, Number(port ?? usualPort));
  return {
    address: host === undefined ? address : { path: host },
    port: address.port,
    database: database ? decoded(database) : undefined,
    credentials: credentialsOf(username, password),
    table,
    mode,
    files,
  };
}
