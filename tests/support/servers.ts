/**
 * Redis, Memcached, MariaDB and etcd for the tests: real servers, which end with the process that started
 * them.
 * A server is looked for in the environment, in Docker, on PATH, and last in Debian's packages.
 */
import { prepareContainers } from './servers/containers.js';
import { withDirectory } from './servers/etcd.js';
import { provide } from './servers/install.js';
import { etcd, mariadb, memcached, redis, type ServerKind } from './servers/kinds.js';
import { startProcess } from './servers/processes.js';

/** A server of the test's own, which the test may torture. All promises resolve once it is so. */
export interface OwnServer extends AsyncDisposable {
  readonly port: number;
  /** Stops it in the middle of what it does; connections stay open and nothing answers. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it at once, frozen or not, with all that it has in memory. */
  kill(): Promise<void>;
  /**
   * Brings it back on the same port with the same arguments, with what it keeps on disk, which is nothing
   * but for MariaDB and etcd. Kills it first if it runs.
   */
  restart(): Promise<void>;
  /** Ends it for good; so does disposal, and the end of the process. */
  stop(): Promise<void>;
}

/** The URL of a plain Redis that all tests of this process share. */
export function sharedRedis(): Promise<string> {
  return share(redis, async () => (await startRedis()).url);
}

/** The `host:port` of a plain Memcached that all tests of this process share. */
export function sharedMemcached(): Promise<string> {
  return share(memcached, async () => (await startMemcached()).address);
}

/** @param args further arguments of `redis-server`. */
export async function startRedis(args: string[] = []): Promise<OwnServer & { url: string }> {
  const server = await start(redis, args);
  return { ...server, url: `redis://127.0.0.1:${server.port}` };
}

/** @param args further arguments of `memcached`, such as `-C` or `-M -m 2`. */
export async function startMemcached(
  args: string[] = [],
): Promise<OwnServer & { address: string }> {
  const server = await start(memcached, args);
  return { ...server, address: `127.0.0.1:${server.port}` };
}

/** The URL of a plain MariaDB, or MySQL, that all tests of this process share; it names no database. */
export function sharedMysql(): Promise<string> {
  return share(mariadb, async () => (await startMysql()).url);
}

/** @param args further arguments of the server, such as `--transaction-isolation=SERIALIZABLE`. */
export async function startMysql(args: string[] = []): Promise<OwnServer & { url: string }> {
  const server = await start(mariadb, args);
  return { ...server, url: `mysql://root@127.0.0.1:${server.port}` };
}

/** The URL of an etcd of one node that all tests of this process share. */
export function sharedEtcd(): Promise<string> {
  return share(etcd, async () => (await startEtcd()).url);
}

/** Unlike the others, it keeps what it knows when it is killed, or restarted. */
export async function startEtcd(args: string[] = []): Promise<OwnServer & { url: string }> {
  const server = await withDirectory((data) => start(etcd, [...args, ...data]));
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

const shared = new Map<ServerKind, Promise<string>>();

/** A server named by the environment is a stranger's: good to be shared, not to be tortured. */
function share(kind: ServerKind, startPlain: () => Promise<string>): Promise<string> {
  const address = dockerOnly() ? undefined : process.env[kind.variable];
  const found = shared.get(kind) ?? (address ? Promise.resolve(address) : startPlain());
  shared.set(kind, found);
  return found;
}

type Start = (args: string[]) => Promise<OwnServer>;
const ways = new Map<ServerKind, Promise<Start>>();

async function start(kind: ServerKind, args: string[]): Promise<OwnServer> {
  const way = ways.get(kind) ?? findWay(kind);
  ways.set(kind, way);
  return (await way)(args);
}

async function findWay(kind: ServerKind): Promise<Start> {
  const failures: string[] = [];
  try {
    return await prepareContainers(kind);
  } catch (error) {
    failures.push((error as Error).message);
  }
  if (dockerOnly()) throw new Error(`DLOCK_TEST_SERVERS=docker, but ${failures[0]}`);
  try {
    await provide(kind);
    return (args) => startProcess(kind, args);
  } catch (error) {
    failures.push((error as Error).message);
  }
  throw new Error(nothingFound(kind, failures));
}

/** Continuous integration asks for this, so that it tests that way and no other. */
function dockerOnly(): boolean {
  return process.env.DLOCK_TEST_SERVERS === 'docker';
}

function nothingFound({ name, variable, example, debianPackage }: ServerKind, failures: string[]) {
  return `There is no ${name} for the tests. Do one of these:
- set ${variable} to one that runs, such as ${example} (enough for the tests that only use it);
- let Docker run on this machine, or set DOCKER_HOST to where it does;
- install it: apt-get update && apt-get install -y ${debianPackage}
What was tried: ${failures.join('; ')}.`;
}
