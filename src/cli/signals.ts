/** The signals that dlock gets: as long as there is no command, they end it; then they are for that. */
import { EventEmitter } from 'node:events';

/**
 * All that by default would end dlock, and leave the command without a guard; but for those that
 * Node.js cannot catch (SIGKILL, the real-time signals), those that report a fault of dlock itself
 * (SIGSEGV and the like), and those that its own writing may raise, which Node.js ignores (SIGPIPE,
 * SIGXFSZ).
 */
const deadly: NodeJS.Signals[] = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGVTALRM',
  'SIGABRT',
  'SIGXCPU',
  'SIGIO',
  'SIGPWR',
  'SIGSTKFLT',
];

/** A profiler of Node.js uses SIGPROF for itself, a thousand times a second. */
const profiled = /--(cpu-)?prof\b/.test([...process.execArgv, process.env.NODE_OPTIONS].join(' '));

/** A signal came before there was a command. */
export class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
  }
}

/** Emits each signal that dlock gets; the first that nobody listens to interrupts it. */
export class Signals extends EventEmitter<{ signal: [NodeJS.Signals] }> {
  readonly #interruption = new AbortController();

  constructor() {
    super();
    const handled = profiled ? deadly : [...deadly, 'SIGPROF' as const];
    for (const signal of handled) process.on(signal, () => this.#receive(signal));
  }

  /** Aborts, with {@link Interrupted} as its reason. */
  get interruption(): AbortSignal {
    return this.#interruption.signal;
  }

  /** Rejects when an interruption comes first. */
  unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    const signal = this.interruption;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      work.then(resolve, reject);
    });
  }

  #receive(signal: NodeJS.Signals): void {
    if (!this.emit('signal', signal)) this.#interruption.abort(new Interrupted(signal));
  }
}
