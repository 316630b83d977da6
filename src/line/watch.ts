/** How the store wakes the head of a line. */
import { clock } from '../base/clock.js';
import { growingPauses } from '../base/pauses.js';
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';

/** In milliseconds. */
const newPauses = () => growingPauses(1_000, 60_000);

export class Watch {
  readonly #lock: Lock;
  readonly #wake: (news?: News) => void;
  #opening: Promise<AsyncDisposable | undefined> | undefined;
  #isOpen = false;
  /** Between attempts to open it: all of them fail where the client has no right to listen. */
  #pauses = newPauses();
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
    opening.then(
      (opened) => {
        if (!opened || this.#opening !== opening) return;
        this.#isOpen = true;
        this.#pauses = newPauses();
        onOpen();
      },
      () => {
        if (this.#opening !== opening) return;
        this.#opening = undefined;
        this.#openAt = clock.monotonic() + this.#pauses.next().value;
      },
    );
  }

  close(): void {
    this.#opening?.then((opened) => opened?.[Symbol.asyncDispose]()).catch(() => {});
    this.#opening = undefined;
    this.#isOpen = false;
  }
}
