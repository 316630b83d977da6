/** etcd for the tests: one node or three, as processes of this machine, which keep their data over a restart. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import { eventually } from '../../../src/testing/fixture.js';
import type { OwnServer } from '../servers.js';
import { remove, temporaryDirectory } from './directories.js';
import { provide } from './install.js';
import { etcd, type ServerKind } from './kinds.js';
import { onFreePort } from './ports.js';
import { startProcess } from './processes.js';
import { selfSigned } from './tls.js';

export interface EtcdCluster extends AsyncDisposable {
  readonly nodes: readonly OwnServer[];
  /** Of all nodes, in their order. */
  readonly endpoints: readonly string[];
  /** The node that leads now, if it answers within a second. Rejects if nobody does within a while. */
  leader(): Promise<OwnServer>;
  stop(): Promise<void>;
}

/** Where there is such a place, nobody waits for the disk. */
const inMemory = existsSync('/dev/shm') ? '/dev/shm' : undefined;

/** Gives a server a directory of its own, as etcd insists on it (mode 0700), which goes with the server. */
export async function withDirectory(
  start: (args: string[]) => Promise<OwnServer>,
): Promise<OwnServer> {
  const directory = temporaryDirectory(inMemory);
  const server = await start(['--data-dir', directory]);
  const stop = async () => {
    await server.stop();
    remove(directory);
  };
  return { ...server, stop, [Symbol.asyncDispose]: stop };
}

/** Insists on etcd on PATH, or installs it as root: containers would not find each other. */
export async function startEtcdCluster(): Promise<EtcdCluster> {
  await provide(etcd);
  const names = ['one', 'two', 'three'];
  return onPorts(names.length, async (ports) => {
    const peers = names.map((name, index) => `${name}=http://127.0.0.1:${ports[index]}`).join();
    const starting = names.map((name, index) => {
      const peer = `http://127.0.0.1:${ports[index]}`;
      const own = [
        '--name',
        name,
        '--listen-peer-urls',
        peer,
        '--initial-advertise-peer-urls',
        peer,
      ];
      return withDirectory((data) =>
        startProcess(etcd, [...own, '--initial-cluster', peers, ...data]),
      );
    });
    const started = await Promise.allSettled(starting);
    const nodes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
    const failed = started.find((each) => each.status === 'rejected');
    if (failed) {
      await stop();
      throw failed.reason;
    }
    return {
      nodes,
      endpoints: nodes.map(({ port }) => `http://127.0.0.1:${port}`),
      leader: () => leaderOf(nodes),
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

/** Several free ports, one after the other. */
function onPorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  const add = (ports: number[]): Promise<T> =>
    ports.length === count ? start(ports) : onFreePort((port) => add([...ports, port]));
  return add([]);
}

async function leaderOf(nodes: readonly OwnServer[]): Promise<OwnServer> {
  let leader: OwnServer | undefined;
  await eventually('somebody leads', async () => {
    const answers = await Promise.all(nodes.map(({ port }) => leads(port)));
    leader = nodes[answers.indexOf(true)];
    return leader !== undefined;
  });
  return leader as OwnServer;
}

/** Whether this node takes itself for the leader; not if it does not answer within a second. */
async function leads(port: number): Promise<boolean> {
  try {
    const options = { method: 'POST', body: '{}', signal: AbortSignal.timeout(1_000) };
    const answer = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, options);
    const { header, leader } = (await answer.json()) as EtcdStatus;
    return header?.member_id === leader;
  } catch {
    return false; // dead, frozen or cut off
  }
}

interface EtcdStatus {
  readonly header?: { readonly member_id?: string };
  readonly leader?: string;
}

/**
 * An etcd that speaks TLS alone. Insists on etcd and openssl on PATH, or installs them as root.
 */
export async function startTlsEtcd(): Promise<OwnServer & { url: string; certificate: string }> {
  await provide(etcd);
  const identity = await selfSigned();
  const { certificate, files } = identity;
  const tls = ['--cert-file', files.certificate, '--key-file', files.key];
  const secured: ServerKind = {
    ...etcd,
    arguments: (host, port) =>
      etcd
        .arguments(host, port)
        .map((word) => word.replace(`http://${host}:${port}`, `https://${host}:${port}`)),
    isUp: (port) => isHealthy(port, certificate),
  };
  const server = await withDirectory((data) => startProcess(secured, [...tls, ...data]));
  const stop = async () => {
    await server.stop();
    identity.remove();
  };
  const url = `https://localhost:${server.port}`;
  return { ...server, url, certificate, stop, [Symbol.asyncDispose]: stop };
}

async function isHealthy(port: number, ca: string): Promise<boolean> {
  try {
    const options = { ca, signal: AbortSignal.timeout(1_000) };
    const [answer] = await once(get(`https://localhost:${port}/health`, options), 'response');
    return (await text(answer)).includes('"true"');
  } catch {
    return false; // refused, or not up yet
  }
}
