/** Servers in containers of a Docker engine of this machine, which testcontainers finds for us. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ContainerRuntimeClient } from 'testcontainers';
import type { OwnServer } from '../servers.js';
import type { ServerKind } from './kinds.js';
import { comesUp, onFreePort } from './ports.js';

/** @throws an Error that says why there can be no containers of that kind. */
export async function prepareContainers(
  kind: ServerKind,
): Promise<(args: string[]) => Promise<OwnServer>> {
  await findEngine();
  // Loading testcontainers takes a while, which nobody shall wait for where there is no Docker.
  const { getContainerRuntimeClient, ImageName } = await import('testcontainers');
  const docker = await getContainerRuntimeClient();
  const { host } = docker.info.containerRuntime;
  if (!/^(localhost|127\.0\.0\.1)$/.test(host)) throw new Error(`Docker is on ${host}, not here`);
  const image = ImageName.fromString(kind.image);
  try {
    await docker.image.pull(image);
    await docker.image.inspect(image); // a pull that breaks off half-way is no error
  } catch (error) {
    throw new Error(`Docker cannot get ${kind.image}: ${(error as Error).message.trim()}`);
  }
  return (args) => startContainer(docker, kind, args);
}

/** Asks no other engine where DOCKER_HOST names one; otherwise those that testcontainers will ask. */
async function findEngine(): Promise<void> {
  const { DOCKER_HOST, XDG_RUNTIME_DIR } = process.env;
  const sockets = [
    '/var/run/docker.sock',
    `${XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.()}`}/docker.sock`,
    `${homedir()}/.docker/run/docker.sock`,
    `${homedir()}/.docker/desktop/docker.sock`,
  ];
  const engines = DOCKER_HOST ? [DOCKER_HOST] : sockets.map((path) => `unix://${path}`);
  if ((await Promise.all(engines.map(listens))).includes(true)) return;
  throw new Error(`no Docker engine listens at ${engines.join(', ')}`);
}

async function listens(engine: string): Promise<boolean> {
  const { hostname, port, pathname } = new URL(engine);
  const socket = hostname ? connect(Number(port), hostname) : connect(pathname);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(500) });
    return true;
  } catch {
    return false; // not there, not allowed or too slow: no engine that the tests could use
  } finally {
    socket.destroy();
  }
}

async function startContainer(docker: ContainerRuntimeClient, kind: ServerKind, args: string[]) {
  return onFreePort(async (port): Promise<OwnServer> => {
    const container = await create(docker, kind, port, args);
    const runs = async () => (await container.inspect()).State.Running;
    let removal: Promise<void> | undefined;
    const stop = () => {
      removal ??= container.remove({ force: true, v: true });
      return removal;
    };
    const kill = async () => void ((await runs()) && (await container.kill()));
    const start = async () => {
      await container.start();
      if (await comesUp(() => kind.isUp(port), runs)) return;
      await kill();
      const output = await container.logs({ stdout: true, stderr: true });
      throw new Error(`${kind.image} ${args.join(' ')} does not come up: ${output}`);
    };
    try {
      await start();
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      port,
      freeze: async () => void (await container.pause()),
      thaw: async () => void (await container.unpause()),
      kill,
      restart: async () => {
        await kill();
        await start();
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

/** The port is that of this machine's loopback; Docker would publish it to everybody. */
function create(docker: ContainerRuntimeClient, kind: ServerKind, port: number, args: string[]) {
  const inside = `${kind.containerPort}/tcp`;
  const { program, imageEnvironment } = kind;
  const startsProgram = imageEnvironment !== undefined;
  const options = [...kind.arguments('0.0.0.0', kind.containerPort), ...args];
  return docker.container.create({
    Image: kind.image,
    Cmd: startsProgram ? options : [program, ...options],
    Env: Object.entries(imageEnvironment ?? {}).map((entry) => entry.join('=')),
    Tty: true, // or else Docker would keep stdout and stderr apart, in a format of its own
    Labels: reaperLabel(),
    ExposedPorts: { [inside]: {} },
    HostConfig: { PortBindings: { [inside]: [{ HostIp: '127.0.0.1', HostPort: `${port}` }] } },
  });
}

let session: string | undefined;

/**
 * Marks the containers of this process, which its reaper removes when this process is gone. (The
 * reaper of testcontainers would be one more image to be had, and reach for the engine's socket.)
 */
function reaperLabel(): Record<string, string> {
  if (session === undefined) {
    session = randomUUID();
    const file = fileURLToPath(new URL('reaper.ts', import.meta.url));
    const command = ['--import', import.meta.resolve('tsx'), file, session];
    const reaper = spawn(process.execPath, command, {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    reaper.unref();
    (reaper.stdin as Socket).unref();
  }
  return { 'dlock-tests': session };
}
