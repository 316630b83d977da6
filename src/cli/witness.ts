/**
 * Tells whether a signal that dlock got was sent to its whole process group, and so has reached the
 * command too: as by Ctrl-C at a terminal, but also by a service manager that ends a service. The
 * system does not tell us who sent a signal to whom. So a third process stands in the same group,
 * which does nothing but repeat what it reads, until a signal ends it: asked after a signal came, it
 * either answers, and the signal was for dlock alone, or it has ended by that signal.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { within } from '../base/time-limit.js';

/** The witness answers in less than a millisecond, unless somebody stopped it. */
const patience = 2_000;

export class Witness {
  #process: ChildProcess;
  #dismissed = false;
  readonly #asked = new Map<NodeJS.Signals, Promise<boolean>>();

  constructor() {
    this.#process = start();
  }

  /**
   * Whether `signal`, which dlock just got, was sent to the whole group. Undefined: the same signal
   * came before and has not been answered yet; as the system does, two of a kind count as one. Or the
   * witness was dismissed.
   */
  saw(signal: NodeJS.Signals): Promise<boolean> | undefined {
    if (this.#dismissed || this.#asked.has(signal)) return undefined;
    const answer = this.#ask(signal).finally(() => this.#asked.delete(signal));
    this.#asked.set(signal, answer);
    return answer;
  }

  /** Ends it; it would end with dlock by itself. */
  dismiss(): void {
    this.#dismissed = true;
    this.#process.kill('SIGKILL');
  }

  async #ask(signal: NodeJS.Signals): Promise<boolean> {
    const witness = this.#process;
    const ending = await answerOf(witness);
    if (ending === 'alive') return false;
    if (this.#process === witness) this.#process = start();
    // It ended by something else: the next one tells.
    return ending === signal || (ending !== null && this.#ask(signal));
  }
}

/** No core dump, as a signal may ask for: the command's own would be overwritten. */
function start(): ChildProcess {
  const witness = spawn('/bin/sh', ['-c', 'ulimit -c 0; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  // Without a witness every signal is handed on.
  witness.on('error', () => {});
  witness.stdin?.on('error', () => {});
  return witness;
}

/** How it ended; null where it never lived, or ended by itself. */
async function answerOf(witness: ChildProcess): Promise<NodeJS.Signals | 'alive' | null> {
  if (witness.pid === undefined) return 'alive';
  if (witness.exitCode !== null || witness.signalCode !== null) return witness.signalCode;
  const answer = new Promise<NodeJS.Signals | 'alive' | null>((resolve) => {
    witness.once('exit', (_code, signal) => resolve(signal));
    witness.stdout?.once('data', () => resolve('alive'));
    witness.stdin?.write('?');
  });
  return within(patience, 'no answer', answer).catch(() => 'alive');
}
