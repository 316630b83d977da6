/**
 * PostgreSQL for the tests: the one that the environment names, or Debian's, started here. Only
 * what the examples show needs it, so it comes neither from Docker nor as a server to be tortured.
 */
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { Pool } from 'pg';
import { install } from './install.js';
import { onFreePort } from './ports.js';
import { works } from './processes.js';

const variable = 'DLOCK_TEST_POSTGRES_URL';
const program = { program: 'postgres', debianPackage: 'postgresql' };

/**
 * $1: port. The shell stays, to end the server in order and to remove its data. Linux tells it of
 * the end of its parent once for each thread of that; only the first may count, since an `exit` within
 * `end` would leave the server and its data.
 */
const script = `
data=
server=
end() {
  trap '' HUP INT TERM
  kill -QUIT $server 2> /dev/null || true
  wait
  [ -z "$data" ] || rm -r "$data"
}
trap end EXIT
trap "trap '' HUP INT TERM; exit" HUP INT TERM
data=$(mktemp -d -t dlock-postgres.XXXXXX)
initdb --pgdata "$data" --username postgres --auth trust --no-locale --encoding UTF8 --no-sync
postgres -D "$data" -h 127.0.0.1 -p "$1" -k '' -F &
server=$!
wait "$server"`;

let shared: Promise<string> | undefined;

/** The URL of a PostgreSQL that all tests of this process share. */
export function sharedPostgres(): Promise<string> {
  const url = process.env[variable];
  shared ??= url ? Promise.resolve(url) : startPostgres();
  return shared;
}

/** A pool whose tables are its test's own, whoever else uses the server; its URL leads there too. */
export async function openSchema(): Promise<AsyncDisposable & { url: string; pool: Pool }> {
  const schema = `dlock_${randomUUID().replaceAll('-', '_')}`;
  const url = new URL(await sharedPostgres());
  url.searchParams.set('options', `-c search_path=${schema}`);
  const pool = new Pool({ connectionString: url.href });
  await pool.query(`CREATE SCHEMA "${schema}"`);
  const close = async () => {
    await pool.query(`DROP SCHEMA "${schema}" CASCADE`);
    await pool.end();
  };
  return { url: url.href, pool, [Symbol.asyncDispose]: close };
}

/** The URL of a server of the caller's own, which ends with this process. */
export async function startPostgres(): Promise<string> {
  try {
    await putOnPath();
  } catch (error) {
    throw new Error(`There is no PostgreSQL for the tests. Do one of these:
- set ${variable} to one that runs, such as postgres://postgres@127.0.0.1:5432/postgres;
- install it: apt-get update && apt-get install -y ${program.debianPackage}
What was tried: ${(error as Error).message}.`);
  }
  return onFreePort(launch);
}

/** Debian keeps the programs of each version in a directory of its own, which is not on PATH. */
async function putOnPath(): Promise<void> {
  const runs = async () => {
    const versions = await readdir('/usr/lib/postgresql').catch(() => []);
    const directories = versions.map((version) => `/usr/lib/postgresql/${version}/bin`);
    process.env.PATH = [process.env.PATH, ...directories].join(':');
    return works(['initdb', '--version']);
  };
  if (await runs()) return;
  await install(program);
  if (!(await runs())) throw new Error('Debian installed it, but not where it was looked for');
}

/** @throws an Error with all that the server had to say, if it does not come up. */
async function launch(port: number): Promise<string> {
  const [file = '', ...args] = [...(await tie()), 'sh', '-euc', script, 'sh', `${port}`];
  const server = execa(file, args, {
    all: true,
    cleanup: true,
    cwd: '/',
    forceKillAfterDelay: false,
    reject: false,
    stdin: 'ignore',
  });
  for await (const line of createInterface({ input: server.all })) {
    if (!line.includes('ready to accept connections')) continue;
    server.all.resume(); // or else it would stand still once it has said too much
    server.unref();
    for (const output of [server.stdout, server.stderr]) (output as unknown as Socket).unref();
    return `postgres://postgres@127.0.0.1:${port}/postgres`;
  }
  throw new Error(`PostgreSQL does not come up: ${(await server).all}`);
}

/**
 * What to put in front, so that it ends even if SIGKILL ends this process; Linux has it. The server
 * refuses to run as root; who it runs as instead may have no access to root's own TMPDIR.
 */
async function tie(): Promise<string[]> {
  const tied = ['setpriv', '--pdeathsig', 'TERM'];
  if (!(await works([...tied, 'true']))) return [];
  if (process.getuid?.() !== 0) return tied;
  const user = ['--reuid', 'postgres', '--regid', 'postgres', '--init-groups'];
  return ['env', '--unset=TMPDIR', ...tied, ...user];
}
