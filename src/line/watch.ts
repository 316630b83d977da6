/** How the store wakes the head of a line. */
import { clock } from '../base/clock.js';
import { growingPauses } from '../base/pauses.js';
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';

export class Watch {
  readonly #lock: Lock;
  readonly #wake: (news?: News) => void;
  #opening: Promise<AsyncDisposable | undefined> | undefined;
  #isOpen = false;
  /** Between attempts to open it, in milliseconds: where the client has no right to it, all are in vain. */
  readonly #pauses = growingPauses(1_000, 60_000);
  /** When it may be tried again, by the monotonic clock. */
  #openAt = -Infinity;

  constructor(lock: Lock, wake: (news?: News) => void) {
    this.#lock = lock;
    this.#wake = wake;
  }

  /** False while the store cannot wake anybody. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A watch that cannot be opened is no error: the head polls, and some later call tries again. */
  open(onOpen: () => void): void {
    if (this.#opening || clock.monotonic() < this.#openAt) return;
    const { store, name } = this.#lock;
    const open = async () => store.watch?.(name, this.#wake);
    const opening = open();
    this.#opening = opening;
    const opened = (watch: AsyncDisposable | undefined) => {
      if (!watch || this.#opening !== opening) return;
      this.#isOpen = true;
      onOpen();
    };
    const failed = () => {
      if (this.#opening !== opening) return;
      this.#opening = undefined;
      this.#openAt = clock.monotonic() + this.#pauses.next().value;
    };
    opening.then(opened, failed);
  }

  close(): void {
    this.#opening?.then((opened) => opened?.[Symbol.asyncDispose]()).catch(() => {});
    this.#opening = undefined;
    this.#isOpen = false;
  }
}
