/** The signals that dlock gets: as long as there is no command, they end it; then they are for that. */

const handled = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** A signal came before there was a command. */
export class Interrupted extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
  }
}

export class Signals {
  readonly #interruption = new AbortController();
  #receiver: ((signal: NodeJS.Signals) => void) | undefined;

  constructor() {
    for (const signal of handled) process.on(signal, () => this.#receive(signal));
  }

  /** Aborts, with {@link Interrupted} as its reason, at the first signal that nobody receives. */
  get interruption(): AbortSignal {
    return this.#interruption.signal;
  }

  /** From now on, signals are for `receiver`. */
  handTo(receiver: (signal: NodeJS.Signals) => void): void {
    this.#receiver = receiver;
  }

  /** Rejects when a signal comes first. */
  unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    const signal = this.interruption;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      work.then(resolve, reject);
    });
  }

  #receive(signal: NodeJS.Signals): void {
    if (this.#receiver) this.#receiver(signal);
    else this.#interruption.abort(new Interrupted(signal));
  }
}
