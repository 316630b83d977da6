/** How one lease is lost: for what reason, and the signal that tells of it. */
import { LeaseLostError } from '../base/errors.js';
import { lockNamed, partsOf } from '../base/names.js';

export class Loss {
  readonly #name: string;
  /** Made when somebody asks for the signal. */
  #controller: AbortController | undefined;
  #error: LeaseLostError | undefined;
  #isTold = false;

  constructor(name: string) {
    this.#name = name;
  }

  /** Aborts when the loss is told; late listeners find it aborted. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#isTold) this.#controller.abort(this.#error);
    }
    return this.#controller.signal;
  }

  /** The error that tells of the loss: the same one each time, with the reason that came first. */
  because(reason: string, cause?: unknown): LeaseLostError {
    this.#error ??= this.error(reason, cause);
    return this.#error;
  }

  /** An error of its own: it tells of no loss that may still come. */
  error(reason: string, cause?: unknown): LeaseLostError {
    const message = `The lease on ${lockNamed(this.#name)} is lost: ${reason}`;
    const { lock } = partsOf(this.#name);
    return new LeaseLostError(message, cause ? { lock, cause } : { lock });
  }

  tell(): void {
    this.#isTold = true;
    this.#controller?.abort(this.#error);
  }
}
