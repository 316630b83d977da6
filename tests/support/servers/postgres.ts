/**
 * PostgreSQL for the tests: the one that the environment names, to be shared; or Debian's, started here.
 * It is not looked for in Docker.
 */
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { Pool } from 'pg';
import type { OwnServer } from '../servers.js';
import { install } from './install.js';
import { onFreePort } from './ports.js';
import { asUser, hasStopped, works } from './processes.js';

const variable = 'DLOCK_TEST_POSTGRES_URL';
const program = { program: 'postgres', debianPackage: 'postgresql' };

/**
 * Keeps one server and its data, and does what it reads: to each order it answers the processes of the server.
 * The end of what it reads is the end of the process of the tests, however that ended: it removes all.
 * $1: port; the other arguments are the server's.
 */
const script = `
port=$1
shift
data=
server=
family() {
  ps -A -o pid= -o ppid= | while read -r pid parent; do
    if [ "$pid" = "$server" ] || [ "$parent" = "$server" ]; then echo "$pid"; fi
  done
}
# One of them may have ended by itself.
tell() {
  signal=$1
  shift
  kill -"$signal" "$@" 2> /dev/null || true
}
stop() {
  [ -n "$server" ] || return 0
  tell STOP "$server"
  killed=$(family)
  tell KILL $killed
  # Those that nobody has asked for their end (Z) are dead, too.
  for pid in $killed; do
    while state=$(ps -o stat= -p "$pid") && [ "\${state#Z}" = "$state" ]; do sleep 0.02; done
  done
  rm -f "$data/postmaster.pid"
  server=
}
end() {
  trap '' HUP INT TERM
  stop
  [ -z "$data" ] || rm -r "$data"
}
trap end EXIT
trap "trap '' HUP INT TERM; exit" HUP INT TERM
data=$(mktemp -d -t dlock-postgres.XXXXXX)
initdb --pgdata "$data" --username postgres --auth trust --no-locale --encoding UTF8 --no-sync >&2
while read -r order; do
  case $order in
    start)
      if ! pg_ctl start -w -D "$data" -l "$data/log" -o "-h 127.0.0.1 -p $port -k '' -F $*" >&2; then
        cat "$data/log" >&2
        exit 1
      fi
      server=$(head -n 1 "$data/postmaster.pid") ;;
    freeze) tell STOP "$server"; tell STOP $(family) ;;
    thaw) tell CONT $(family) ;;
    kill) stop ;;
  esac
  echo $(family)
done`;

let shared: Promise<string> | undefined;

/** The URL of a PostgreSQL that all tests of this process share. */
export function sharedPostgres(): Promise<string> {
  const url = process.env[variable];
  shared ??= url ? Promise.resolve(url) : startPostgres().then(({ url }) => url);
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

/**
 * A server of the test's own, which keeps its data when it is killed and restarted.
 *
 * @param args further arguments of `postgres`, such as `-c max_connections=300`.
 */
export async function startPostgres(args: string[] = []): Promise<OwnServer & { url: string }> {
  try {
    await putOnPath();
  } catch (error) {
    throw new Error(`There is no PostgreSQL for the tests. Do one of these:
- set ${variable} to one that runs, such as postgres://postgres@127.0.0.1:5432/postgres (enough for the tests that only use it);
- install it: apt-get update && apt-get install -y ${program.debianPackage}
What was tried: ${(error as Error).message}.`);
  }
  return onFreePort((port) => launch(port, args));
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
async function launch(port: number, args: string[]): Promise<OwnServer & { url: string }> {
  const keeper = keep(port, args);
  const answers = createInterface({ input: keeper.stdout })[Symbol.asyncIterator]();
  const pipes = [keeper.stdin, keeper.stdout, keeper.stderr] as unknown as Socket[];
  /** Only who waits for it keeps the process of the tests alive. */
  const order = async (word: string): Promise<number[]> => {
    for (const each of [keeper, ...pipes]) each.ref();
    keeper.stdin.write(`${word}\n`);
    const { done, value = '' } = await answers.next();
    if (done) throw new Error(`PostgreSQL does not come up: ${(await keeper).stderr}`);
    for (const each of [keeper, ...pipes]) each.unref();
    return value.split(' ').filter(Boolean).map(Number);
  };
  await order('start');
  const freeze = async () => {
    const processes = await order('freeze');
    for (const id of processes) while (!(await hasStopped(id))) await sleep(1);
  };
  const stop = async () => {
    keeper.ref();
    if (keeper.stdin.writable) keeper.stdin.end();
    await keeper;
  };
  return {
    port,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    freeze,
    thaw: async () => void (await order('thaw')),
    kill: async () => void (await order('kill')),
    restart: async () => {
      await order('kill');
      await order('start');
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The server refuses to run as root; who it runs as instead may have no access to root's own TMPDIR. */
function keep(port: number, args: string[]) {
  const user = asUser('postgres');
  const [file = '', ...rest] = [...user, 'sh', '-euc', script, 'sh', `${port}`, ...args];
  return execa(file, rest, {
    cleanup: true,
    cwd: '/',
    forceKillAfterDelay: false,
    reject: false,
    stdin: 'pipe',
  });
}
