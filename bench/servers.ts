/** The servers of a run: its own, on free ports of 127.0.0.1, ended with it whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Server {
  readonly port: number;
  /** Stops the process where it stands, its sockets open: nobody is answered, nobody is told. */
  freeze(): void;
  thaw(): void;
  end(): void;
}

export function startRedis(): Promise<Server> {
  return start('redis-server', (port) => [
    ...['--bind', '127.0.0.1', '--port', `${port}`],
    ...['--save', '', '--appendonly', 'no'],
  ]);
}

export function startMemcached(): Promise<Server> {
  // As root, memcached does not start unless told as whom to run.
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : [];
  return start('memcached', (port) => ['-l', '127.0.0.1', '-p', `${port}`, '-U', '0', ...user]);
}

/** A directory for locks in files, removed with the run. */
export function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'dlock-bench-'));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'locks');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No port was given');
  return address.port;
}

const children = new Set<ChildProcess>();

/** A process ends with this one, on whatever path that goes. */
export function endWithUs(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}

async function start(command: string, flags: (port: number) => string[]): Promise<Server> {
  const port = await freePort();
  const child = spawn(command, flags(port), { cwd: tmpdir(), stdio: 'ignore' });
  endWithUs(child);
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  failed.catch(() => {});
  await Promise.race([failed, untilListening(port)]);
  return {
    port,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    end: () => child.kill('SIGKILL'),
  };
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await sleep(25);
  }
  throw new Error(`Nobody listens on port ${port}`);
}
