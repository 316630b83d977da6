/** A master, two replicas and three sentinels for the tests, as processes of this machine. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../../../src/testing/fixture.js';
import type { OwnServer } from '../servers.js';
import { remove, temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { redis, type ServerKind } from './kinds.js';
import { ask } from './ports.js';
import { startProcess } from './processes.js';

export interface SentinelGroup extends AsyncDisposable {
  /** What the sentinels call the master, whichever server it is. */
  readonly name: string;
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** The first master and its replicas. */
  readonly servers: readonly OwnServer[];
  /** The server that the sentinels take for the master now. */
  master(): Promise<OwnServer>;
  stop(): Promise<void>;
}

const name = 'main';

/**
 * Insists on a redis-server on PATH, or installs it as root: containers would not find each other.
 *
 * @param patience for how long a master may be away before it is replaced, in milliseconds; on a
 * busy machine a short one would replace it for no reason.
 */
export async function startSentinelGroup(patience = 60_000): Promise<SentinelGroup> {
  await provide(redis);
  const directory = temporaryDirectory();
  const running: OwnServer[] = [];
  const started = async (server: Promise<OwnServer>) => {
    running.push(await server);
    return server;
  };
  const stop = async () => {
    await Promise.all(running.map((server) => server.stop()));
    remove(directory);
  };
  try {
    const first = await started(startServer(directory, 'one'));
    const follow = ['--replicaof', '127.0.0.1', `${first.port}`];
    const servers = [
      first,
      await started(startServer(directory, 'two', follow)),
      await started(startServer(directory, 'three', follow)),
    ];
    const watch = configuration(first.port, patience);
    const sentinels = [
      await started(startSentinel(directory, 'sentinel-one', watch)),
      await started(startSentinel(directory, 'sentinel-two', watch)),
      await started(startSentinel(directory, 'sentinel-three', watch)),
    ];
    await eventually(
      'the sentinels know each other and the replicas',
      () => allKnow(sentinels),
      60_000,
    );
    return {
      name,
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
      servers,
      master: async () => {
        const [sentinel] = sentinels;
        const address = await ask(
          Number(sentinel?.port),
          `SENTINEL GET-MASTER-ADDR-BY-NAME ${name}`,
        );
        const master = servers.find(({ port }) => address?.includes(`\n${port}\r`));
        if (!master) throw new Error(`The sentinels know no such master: ${address}`);
        return master;
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startServer(directory: string, file: string, args: string[] = []): Promise<OwnServer> {
  return startProcess(redis, ['--dir', directory, '--dbfilename', file, ...args]);
}

/** A sentinel keeps what it learns in its file of configuration. */
async function startSentinel(directory: string, file: string, watch: string): Promise<OwnServer> {
  const path = join(directory, `${file}.conf`);
  await writeFile(path, watch);
  const sentinel: ServerKind = {
    ...redis,
    arguments: (host, port) => [path, '--sentinel', '--bind', host, '--port', `${port}`],
  };
  return startProcess(sentinel, ['--dir', directory]);
}

function configuration(port: number, patience: number): string {
  return `
sentinel monitor ${name} 127.0.0.1 ${port} 2
sentinel down-after-milliseconds ${name} ${patience}
sentinel failover-timeout ${name} 5000
`;
}

async function allKnow(sentinels: readonly OwnServer[]): Promise<boolean> {
  const answers = sentinels.map(({ port }) => ask(port, 'INFO sentinel'));
  return (await Promise.all(answers)).every((answer) =>
    /status=ok.*slaves=2,sentinels=3/.test(answer ?? ''),
  );
}
