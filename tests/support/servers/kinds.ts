/** The kinds of servers that the tests need: how each is called, run and asked. */
import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { ask } from './ports.js';

export interface ServerKind {
  readonly name: string;
  /** The environment variable that names a server which runs already, and what it may say. */
  readonly variable: string;
  readonly example: string;
  readonly image: string;
  /** What its image is told; an image with an environment has an entry point that starts the program. */
  readonly imageEnvironment?: Record<string, string>;
  /** Where it listens in its container. */
  readonly containerPort: number;
  readonly program: string;
  readonly debianPackage: string;
  /** Makes a directory ready to hold its data, for a kind that keeps some; a container has its own. */
  prepare?(directory: string): Promise<void>;
  /**
   * Lets it listen there, keep nothing on disk but in the directory that was prepared, and run as whoever
   * the tests run as.
   */
  arguments(host: string, port: number, directory?: string): string[];
  /**
   * Whether it answers a real question on that port; for a process of this machine, whether the answer is
   * not another one's, which may have been quicker to take the port.
   */
  isUp(port: number, processId?: number): Promise<boolean>;
}

export const redis: ServerKind = {
  name: 'Redis',
  variable: 'DLOCK_TEST_REDIS_URL',
  example: 'redis://127.0.0.1:6379',
  image: process.env.DLOCK_TEST_REDIS_IMAGE ?? 'redis:7',
  containerPort: 6379,
  program: 'redis-server',
  debianPackage: 'redis-server',
  // The protected mode would refuse whoever comes into the container from outside.
  arguments: (host, port) =>
    `--bind ${host} --port ${port} --protected-mode no --appendonly no --save`
      .split(' ')
      .concat(''),
  isUp: (port, processId) => answers(port, 'INFO server', /^process_id:(\d+)/m, processId),
};

export const memcached: ServerKind = {
  name: 'Memcached',
  variable: 'DLOCK_TEST_MEMCACHED',
  example: '127.0.0.1:11211',
  image: process.env.DLOCK_TEST_MEMCACHED_IMAGE ?? 'memcached:1.6',
  containerPort: 11211,
  program: 'memcached',
  debianPackage: 'memcached',
  // Started by root it insists on being told a user; started by anybody else it ignores that.
  arguments: (host, port) => `-l ${host} -p ${port} -U 0 -u root`.split(' '),
  isUp: (port, processId) => answers(port, 'stats', /^STAT pid (\d+)/m, processId),
};

/** It stands for MySQL, which Debian does not have; the workflow has containers of both. */
export const mariadb: ServerKind = {
  name: 'MariaDB or MySQL',
  variable: 'DLOCK_TEST_MYSQL_URL',
  example: 'mysql://root@127.0.0.1:3306',
  image: process.env.DLOCK_TEST_MYSQL_IMAGE ?? 'mysql:8',
  imageEnvironment: { MYSQL_ALLOW_EMPTY_PASSWORD: 'yes', MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: 'yes' },
  containerPort: 3306,
  program: 'mariadbd',
  debianPackage: 'mariadb-server',
  async prepare(directory) {
    const options = ['--auth-root-authentication-method=normal', '--skip-test-db'];
    const install = ['--no-defaults', `--datadir=${directory}`, '--user=root', ...options];
    // Two that are installed at once take each other's temporary tables, where they share a place for these.
    await execa('mariadb-install-db', install, { stdin: 'ignore', env: { TMPDIR: directory } });
  },
  arguments: (host, port, directory) => [
    ...(directory
      ? [
          '--no-defaults',
          `--datadir=${directory}`,
          `--socket=${directory}/socket`,
          `--tmpdir=${directory}`,
          '--user=root',
        ]
      : []),
    `--bind-address=${host}`,
    `--port=${port}`,
    ...'--skip-name-resolve --performance-schema=OFF --innodb-buffer-pool-size=16M'.split(' '),
    // Each commit is written at once, but not forced to the disk: a server that is killed loses nothing.
    '--innodb-flush-log-at-trx-commit=2',
  ],
  async isUp(port, processId) {
    // Loading the client takes a while, which nobody shall wait for who needs no such server.
    const { createConnection } = await import('mysql2/promise');
    try {
      const connection = await createConnection({ host: '127.0.0.1', port, user: 'root' });
      const [rows] = await connection.query('SELECT @@pid_file AS file');
      connection.destroy();
      if (processId === undefined) return true;
      const [{ file }] = rows as [{ file: string }];
      return Number(await readFile(file, 'utf8')) === processId;
    } catch {
      return false; // not yet, or another's
    }
  },
};

/** Of all that this process starts. */
const etcdName = `dlock-tests-${process.pid}`;

export const etcd: ServerKind = {
  name: 'etcd',
  variable: 'DLOCK_TEST_ETCD',
  example: 'http://127.0.0.1:2379',
  image: process.env.DLOCK_TEST_ETCD_IMAGE ?? 'quay.io/coreos/etcd:v3.5.21',
  containerPort: 2379,
  program: 'etcd',
  debianPackage: 'etcd-server',
  arguments: (host, port) =>
    `--name ${etcdName} --log-level error --listen-client-urls http://${host}:${port} --advertise-client-urls http://127.0.0.1:${port} --listen-peer-urls http://127.0.0.1:0`.split(
      ' ',
    ),
  // A cluster is healthy once somebody leads. By the name in its command line ours is told from others.
  async isUp(port) {
    const [health, variables] = await Promise.all(
      ['health', 'debug/vars'].map((path) => read(`http://127.0.0.1:${port}/${path}`)),
    );
    return /"health":"?true/.test(health ?? '') && variables?.includes(etcdName) === true;
  },
};

/** The body of a page; undefined: none within a second. */
async function read(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(1_000) })).text();
  } catch {
    return undefined; // refused, cut, or too late: the caller waits for an answer, not for a reason
  }
}

/** An answer that names no process is from one of ours that wants a password first, or speaks TLS alone. */
async function answers(port: number, question: string, named: RegExp, processId?: number) {
  const answer = await ask(port, question);
  if (answer === undefined) return false;
  const id = named.exec(answer)?.[1];
  return processId === undefined || id === undefined || Number(id) === processId;
}
