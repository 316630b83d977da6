/** The servers of the engines, with the tables of their locks; they end with what they are disposed by. */
import { schema as mysqlSchema } from 'dlock-js/mysql';
import { schema as postgresSchema } from 'dlock-js/postgres';
import { createConnection } from 'mysql2/promise';
import { startPostgres } from '../tests/support/servers/postgres.js';
import { startEtcd, startMysql } from '../tests/support/servers.js';
import type { Engine } from './contestants/contestant.js';
import { openMysql, openPg } from './contestants/engine-clients.js';

export interface Engines extends AsyncDisposable {
  readonly ports: Readonly<Record<Engine, number>>;
}

export async function startEngines(): Promise<Engines> {
  const [postgres, mysql, etcd] = await Promise.all([startPostgres(), startMysql(), startEtcd()]);
  const servers = { postgres, mysql, etcd };

  const pool = openPg(postgres.port);
  await pool.query(postgresSchema());
  await pool.end();

  const root = await createConnection(mysql.url);
  await root.query('CREATE DATABASE dlock_bench');
  await root.end();
  const database = openMysql(mysql.port);
  await database.query(mysqlSchema());
  await database.end();

  return {
    ports: { postgres: postgres.port, mysql: mysql.port, etcd: etcd.port },
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    },
  };
}
