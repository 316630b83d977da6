/** How the store wakes the head of a line. */
import { Alarm, later, now } from '../base/clock.js';
import type { Lock } from '../lease/registry.js';
import type { News } from '../store.js';

/** For how long a watch stays open for somebody who comes again, in milliseconds. */
const linger = 1_000;

export class Watch {
  readonly #lock: Lock;
  readonly #wake: (news?: News) => void;
  #opening: Promise<AsyncDisposable | undefined> | undefined;
  #isOpen = false;
  /** Set while nobody stands in line. */
  #end: Alarm | undefined;

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
      if (!opened) return;
      this.#isOpen = true;
      onOpen();
    });
  }

  close(): void {
    this.#opening?.then((opened) => opened?.[Symbol.asyncDispose]()).catch(() => {});
  }

  /** Calls `close` in a while: to open a watch again for every turn would cost more than the turns. */
  later(close: () => void): void {
    this.#end = new Alarm(close);
    this.#end.set(later(now(), linger));
  }

  keepOpen(): void {
    this.#end?.cancel();
  }
}
