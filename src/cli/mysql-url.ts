/** The URLs of MySQL and MariaDB. */
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

/** How `mysql` calls them. */
export const mysqlModes = [
  'DISABLED',
  'PREFERRED',
  'REQUIRED',
  'VERIFY_CA',
  'VERIFY_IDENTITY',
] as const;

export interface MysqlServer {
  readonly address: Host | Socket;
  readonly database: string;
  readonly credentials: Credentials;
  /** Undefined: the one that is usual. */
  readonly table: string | undefined;
  readonly mode: (typeof mysqlModes)[number];
  readonly files: TlsFiles;
}

const form =
  'the URL of a MySQL server is mysql://[user[:password]@]host[:port]/database[?table=name&ssl-mode=mode&ssl-ca=file&ssl-cert=file&ssl-key=file&socket=path]';

export function readMysqlUrl(url: string): MysqlServer {
  const parsed = parseUrlWithParameters(url);
  const { hostname, pathname, search, username, password } = parsed;
  const names = ['table', 'ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key', 'socket'] as const;
  const parameters = readParameters(search, names, form);
  const { table, socket, 'ssl-ca': cacert, 'ssl-cert': cert, 'ssl-key': key } = parameters;
  const database = /^\/([^/]+)$/.exec(pathname)?.[1];
  const mode = mysqlModes.find((each) => each === (parameters['ssl-mode'] ?? 'PREFERRED'));
  const isWhole = hostname || socket?.startsWith('/');
  const files = tlsFiles(cacert, cert, key);
  if (!isWhole || database === undefined || !files) throw new UsageError(form);
  if (!mode) throw new UsageError(`the ssl-mode of a mysql:// URL is ${mysqlModes.join(', ')}`);
  return {
    address: socket === undefined ? hostOf(parsed, 3_306) : { path: socket },
    database: decoded(database),
    credentials: credentialsOf(username, password),
    table,
    mode,
    files,
  };
}
