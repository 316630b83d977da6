/** Worker processes, from the side of the main process. */
import type { ChildProcess } from 'node:child_process';
import { forkWorker } from '../tests/support/workers.js';
import type { Addresses, Contestant } from './contestants/contestant.js';

export interface Request {
  readonly id: number;
  readonly task: string;
  readonly parameters: unknown;
}

type Reply = { readonly id: number; readonly answer?: unknown; readonly error?: string };

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** No task takes as long, in milliseconds. */
const patience = 90_000;

/** One worker: a contestant, connected, in a process of its own. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #asked = 0;
  #complaint = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on('data', (text) => {
      this.#complaint = (this.#complaint + text).slice(-4_000);
    });
    child.on('message', (reply: Reply) => {
      const pending = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if (reply.error === undefined) pending?.resolve(reply.answer);
      else pending?.reject(new Error(reply.error));
    });
    child.once('close', () => {
      for (const { reject } of this.#pending.values()) reject(new Error(this.#lastWords()));
      this.#pending.clear();
    });
  }

  /** Resolves when the contestant is connected. */
  static async start(letter: string, contestant: Contestant, addresses: Addresses) {
    const file = new URL('worker.js', import.meta.url);
    const child = forkWorker(file, [letter, contestant.name, JSON.stringify(addresses)], {
      execArgv: ['--expose-gc'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const worker = new Worker(child);
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('close', () => reject(new Error(worker.#lastWords())));
    });
    return worker;
  }

  /** Asks for a task. Rejects when it fails, when the worker dies of it, and when it never ends. */
  ask<Answer>(task: string, parameters: unknown = {}): Promise<Answer> {
    if (!this.#child.connected) return Promise.reject(new Error(this.#lastWords()));
    this.#asked += 1;
    const id = this.#asked;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.send({ id, task, parameters } satisfies Request);
    });
    const late = setTimeout(() => {
      this.#pending.get(id)?.reject(new Error(`hung for ${patience / 1_000} s`));
      this.#pending.delete(id);
    }, patience);
    return answer.finally(() => clearTimeout(late)) as Promise<Answer>;
  }

  /** Ends the process where it stands: what it still waits for is of no interest. */
  end(): void {
    this.#child.kill('SIGKILL');
  }

  /** The error that an uncaught exception leaves on stderr. */
  #lastWords(): string {
    const error = this.#complaint
      .split('\n')
      .find((line) => /^\s*\w*(Error|Exception)\b/.test(line));
    return `the process crashed${error ? `: ${error.trim()}` : ''}`;
  }
}
