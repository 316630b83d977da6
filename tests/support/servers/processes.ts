/** Servers as processes of this machine. */
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { OwnServer } from '../servers.js';
import { remove, temporaryDirectory } from './directories.js';
import type { ServerKind } from './kinds.js';
import { comesUp, onFreePort } from './ports.js';

/** Whether PATH leads to the program, and the command succeeds. */
export async function works([program = '', ...args]: string[]): Promise<boolean> {
  return !(await execa(program, args, { reject: false, stdin: 'ignore' })).failed;
}

/** What is run; as `user`, where root would run it, who may not. */
export type Runnable = Pick<ServerKind, 'program' | 'arguments' | 'isUp' | 'prepare'> & {
  user?: string;
};

export function startProcess(kind: Runnable, args: string[]): Promise<OwnServer> {
  return onFreePort(async (port) => {
    const directory = kind.prepare && temporaryDirectory();
    if (directory) await kind.prepare?.(directory);
    const command = [kind.program, ...kind.arguments('127.0.0.1', port, directory), ...args];
    let server = await launch(kind, port, command);
    const restart = async () => {
      await server.kill();
      server = await launch(kind, port, command);
    };
    const stop = async () => {
      await server.kill();
      if (directory) remove(directory);
    };
    return {
      port,
      freeze: () => server.freeze(),
      thaw: async () => server.thaw(),
      kill: () => server.kill(),
      restart,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  });
}

/** @throws an Error with all that the server had to say, if it does not come up. */
async function launch(kind: Runnable, port: number, command: string[]) {
  const user = kind.user ? asUser(kind.user) : [];
  const server = spawn([...user, ...(await tie()), ...command]);
  let ended = false;
  server.once('exit', () => {
    ended = true;
  });
  const kill = async () => {
    if (ended) return;
    server.ref();
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  const isUp = () => kind.isUp(port, server.pid);
  if (!(await comesUp(isUp, async () => !ended))) {
    await kill();
    throw new Error(`${command.join(' ')} does not come up: ${(await server).all}`);
  }
  server.unref();
  for (const output of [server.stdout, server.stderr]) (output as unknown as Socket).unref();
  const freeze = async () => {
    server.kill('SIGSTOP');
    while (!ended && !(await hasStopped(Number(server.pid)))) await sleep(1);
  };
  return { kill, freeze, thaw: () => void server.kill('SIGCONT') };
}

/**
 * A signal reaches each thread a little later; where the system tells (Linux), we can wait for it. One that has
 * ended, which its frozen parent does not notice (Z), does nothing either.
 */
export async function hasStopped(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = threads.map((id) => readFile(`/proc/${pid}/task/${id}/stat`, 'utf8'));
  return (await Promise.all(states)).every((state) => /\) [TZ] /.test(state));
}

/** Ended with this process, also by a signal; frozen or not, since nothing withstands SIGKILL. */
function spawn([program = '', ...args]: string[]) {
  return execa(program, args, {
    all: true,
    cleanup: true,
    cwd: tmpdir(),
    forceKillAfterDelay: false,
    killSignal: 'SIGKILL',
    reject: false,
    stdin: 'ignore',
  });
}

/** What to put in front, so that root runs it as another user, without its own TMPDIR. */
export function asUser(user: string): string[] {
  if (process.getuid?.() !== 0) return [];
  const setpriv = ['setpriv', '--reuid', user, '--regid', user, '--init-groups'];
  return ['env', '--unset=TMPDIR', ...setpriv];
}

let tied: Promise<string[]> | undefined;

/** What to put in front, so that a server dies even if SIGKILL ends this process; Linux has it. */
function tie(): Promise<string[]> {
  const command = ['setpriv', '--pdeathsig', 'KILL'];
  tied ??= works(command.concat('true')).then((has) => (has ? command : []));
  return tied;
}
