/** The command that runs under the lease: its start, the signals handed on to it, and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Settings } from './arguments.js';
import { type Ending, exits } from './exits.js';
import { Family, markVariable } from './family.js';

/** The command could not be started. */
export class StartError extends Error {
  readonly exit: number;

  constructor(command: string, { code, message }: NodeJS.ErrnoException) {
    const missing = code === 'ENOENT';
    super(
      missing
        ? `${command}: command not found`
        : `${command}: cannot be executed (${code ?? message})`,
    );
    this.exit = missing ? exits.notFound : exits.notExecutable;
  }
}

export interface Remains {
  /** The numbers of the processes that dlock has no right to signal. */
  readonly notOurs: number[];
  /** The system does not list its processes: what the command started is not known. */
  readonly unlisted: boolean;
}

export class Command {
  readonly pid: number | undefined;
  /** Resolves to how it ended; rejects with a StartError. */
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcess;
  readonly #family: Family | undefined;

  /**
   * Without a shell, and without pipes in between: stdin, stdout and stderr are dlock's own. It
   * stays in dlock's process group, and so in the foreground of a terminal if dlock is.
   */
  constructor({ name, command, commandArguments, ttl }: Settings, fence: number | undefined) {
    const mark = randomUUID();
    const env: NodeJS.ProcessEnv = { ...process.env, DLOCK_NAME: name, DLOCK_TTL: `${ttl}` };
    env[markVariable] = [env[markVariable] || [], mark].flat().join(' ');
    // That of another lock, which dlock itself runs under, would be wrong.
    delete env.DLOCK_FENCE;
    if (fence !== undefined) env.DLOCK_FENCE = `${fence}`;
    this.#process = start(command, commandArguments, env);
    const { pid } = this.#process;
    this.pid = pid;
    if (pid !== undefined) {
      this.#family = new Family({ pid, isRunning: () => this.#isRunning() }, mark);
    }
    this.ended = endOf(this.#process, command);
  }

  /** Hands a signal on, to the command alone. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid === undefined || !this.#isRunning()) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has just ended, or became another user's, which is then no business of ours.
    }
  }

  /**
   * Stops the command and all that it started: SIGTERM, and after `grace` milliseconds SIGKILL.
   * Resolves to what may still run.
   */
  async stop(grace: number): Promise<Remains> {
    await this.#family?.end(grace);
    const { failures, listed = true } = this.#family ?? {};
    return { notOurs: [...(failures?.keys() ?? [])], unlisted: !listed };
  }

  #isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}

function start(command: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  try {
    return spawn(command, args, { stdio: 'inherit', env });
  } catch (error) {
    throw new StartError(command, error as NodeJS.ErrnoException);
  }
}

/**
 * What the command left running may hold on to stdout: its end alone counts. An end by a real-time
 * signal looks like success, since Node.js reports it as exit code 0.
 */
function endOf(started: ChildProcess, command: string): Promise<Ending> {
  return new Promise((resolve, reject) => {
    started.once('error', (error) => reject(new StartError(command, error)));
    started.once('exit', (code, signal) => {
      resolve(signal ?? code ?? exits.internal);
    });
  });
}
