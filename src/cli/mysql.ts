/** MySQL and MariaDB, through mysql2. */
import type { Pool, SslOptions } from 'mysql2/promise';
import { MysqlStore, schema } from '../stores/mysql/mysql.js';
import { UsageError } from './arguments.js';
import { connectTimeout, load, refuse } from './client.js';
import { connectionLimit, openDatabase } from './database.js';
import { hostAndPort, identityOf } from './hosts.js';
import { type MysqlServer, readMysqlUrl } from './mysql-url.js';
import type { Kind, OpenStore, Place } from './place.js';
import { contentsOf } from './tls-files.js';

export const mysql: Kind = {
  schemes: ['mysql://', 'mariadb://'],
  read: (url) => placeOf(readMysqlUrl(url)),
};

type Library = typeof import('mysql2/promise');

function placeOf(server: MysqlServer): Place {
  const { address, database } = server;
  return {
    name:
      'path' in address
        ? `mysql:///${database}?socket=${address.path}`
        : `mysql://${hostAndPort(address)}/${database}`,
    identities: () => [identityOf(address)],
    check({ prefix }) {
      if (prefix !== undefined) {
        throw new UsageError(
          '--prefix is not for MySQL; to keep locks apart, name another table with ?table=',
        );
      }
      new MysqlStore(refuse, tableOf(server));
    },
    connects: true,
    shares: false,
    async load() {
      const library = await load('mysql2', () => import('mysql2/promise'));
      return () => openMysql(library, server);
    },
  };
}

function tableOf({ table }: MysqlServer) {
  return table === undefined ? {} : { table };
}

/** Without a word, TLS is for servers that have it, and not for a socket. */
function attemptsOf({ address, mode, files }: MysqlServer): (SslOptions | undefined)[] {
  const ssl = { ...contentsOf(files), rejectUnauthorized: false };
  switch (mode) {
    case 'DISABLED':
      return [undefined];
    case 'PREFERRED':
      return 'path' in address ? [undefined] : [ssl, undefined];
    case 'REQUIRED':
      return [ssl];
    case 'VERIFY_CA':
      return [{ ...ssl, rejectUnauthorized: true }];
    case 'VERIFY_IDENTITY':
      return [{ ...ssl, rejectUnauthorized: true, verifyIdentity: true }];
  }
}

function poolOf(
  { createPool }: Library,
  { address, database, credentials: { username, password } }: MysqlServer,
  ssl: SslOptions | undefined,
): Pool {
  return createPool({
    ...('path' in address ? { socketPath: address.path } : address),
    ...(username !== undefined && { user: username }),
    ...(password !== undefined && { password }),
    ...(ssl && { ssl }),
    database,
    connectionLimit,
    connectTimeout,
  });
}

const noSuchTable = 1146;
const noTls = 'HANDSHAKE_NO_SSL_SUPPORT';

function openMysql(library: Library, server: MysqlServer): Promise<OpenStore> {
  return openDatabase(attemptsOf(server), (ssl) => {
    const pool = poolOf(library, server, ssl);
    return {
      store: new MysqlStore(pool, tableOf(server)),
      statement: schema(server.table),
      isTableMissing: (error) => (error as { errno?: unknown }).errno === noSuchTable,
      isTlsRefused: (error) => (error as { code?: unknown }).code === noTls,
      run: (statement) => pool.query(statement),
      end: () => pool.end(),
    };
  });
}
