/** A Redis Cluster for the tests: three masters, each with a replica, as processes of this machine. */
import { execa } from 'execa';
import { eventually } from '../../../src/testing/fixture.js';
import type { OwnServer } from '../servers.js';
import { remove, temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { redis } from './kinds.js';
import { ask } from './ports.js';
import { startProcess } from './processes.js';

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly OwnServer[];
  /** Of one of them, which knows all the others. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Insists on a redis-server on PATH, or installs it as root: containers would not find each other. */
export async function startCluster(): Promise<RedisCluster> {
  await provide(redis);
  const directory = temporaryDirectory();
  const names = ['one', 'two', 'three', 'four', 'five', 'six'];
  const nodes = await Promise.all(names.map((name) => startNode(directory, name)));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    remove(directory);
  };
  try {
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    const create = ['--cluster', 'create', ...addresses, '--cluster-replicas', '1'];
    await execa('redis-cli', [...create, '--cluster-yes'], { stdin: 'ignore' });
    await eventually('the cluster serves', () => allServe(nodes), 60_000);
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `redis://127.0.0.1:${nodes[0]?.port}`;
  return { nodes, url, stop, [Symbol.asyncDispose]: stop };
}

/** On a busy machine a short time-out would replace a master for no reason. */
function startNode(directory: string, name: string): Promise<OwnServer> {
  const options = `--cluster-enabled yes --cluster-config-file ${name}.conf --cluster-node-timeout 60000`;
  return startProcess(redis, [...options.split(' '), '--dir', directory, '--dbfilename', name]);
}

/** Each node knows all slots, and each replica has its master's data. */
async function allServe(nodes: readonly OwnServer[]): Promise<boolean> {
  const states = nodes.map(async ({ port }) => {
    const cluster = await ask(port, 'CLUSTER INFO');
    const replication = await ask(port, 'INFO replication');
    return (
      /cluster_state:ok/.test(cluster ?? '') && /role:master|link_status:up/.test(replication ?? '')
    );
  });
  return (await Promise.all(states)).every(Boolean);
}
