/** PgBouncer for the tests: between them and a PostgreSQL, with a connection for each transaction. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import type { OwnServer } from '../servers.js';
import { temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { startProcess } from './processes.js';

/** @param server the port of the PostgreSQL. */
export async function startPgBouncer(server: number): Promise<OwnServer & { url: string }> {
  const program = 'pgbouncer';
  await provide({ program, debianPackage: 'pgbouncer' });
  // It runs as another user than root, who may have no access to root's own TMPDIR.
  const directory = temporaryDirectory('/tmp');
  chmodSync(directory, 0o755);
  const file = join(directory, 'pgbouncer.ini');
  const kind = {
    program,
    user: 'postgres',
    arguments(host: string, port: number) {
      writeFileSync(file, settings(host, port, server));
      return [file];
    },
    isUp: answers,
  };
  const own = await startProcess(kind, []);
  return { ...own, url: `postgres://postgres@127.0.0.1:${own.port}/postgres` };
}

function settings(host: string, port: number, server: number): string {
  return `[databases]
* = host=${host} port=${server} user=postgres
[pgbouncer]
listen_addr = ${host}
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
max_client_conn = 500
`;
}

async function answers(port: number): Promise<boolean> {
  const client = new Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false; // not up yet
  } finally {
    await client.end().catch(() => {});
  }
}
