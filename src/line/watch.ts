/** How the store wakes the head of a line. */
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';

export class Watch {
  readonly #lock: Lock;
  readonly #wake: (news?: News) => void;
  #opening: Promise<AsyncDisposable | undefined> | undefined;
  #isOpen = false;

  constructor(lock: Lock, wake: (news?: News) => void) {
    this.#lock = lock;
    this.#wake = wake;
  }

  /** False while the store cannot wake anybody. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A watch that cannot be opened is no error: the head polls. */
  open(onOpen: () => void): void {
    if (this.#opening) return;
    const { store, name } = this.#lock;
    const open = async () => store.watch?.(name, this.#wake);
    const opening = open().catch(() => undefined);
    this.#opening = opening;
    void opening.then((opened) => {
      if (!opened || this.#opening !== opening) return;
      this.#isOpen = true;
      onOpen();
    });
  }

  close(): void {
    this.#opening?.then((opened) => opened?.[Symbol.asyncDispose]()).catch(() => {});
    this.#opening = undefined;
    this.#isOpen = false;
  }
}
