/** The garbage of one copy of the core: collected when a run says so, and never otherwise. */

interface Watch {
  readonly registry: object;
  readonly object: object;
  readonly token: unknown;
  readonly notify: () => void;
}

export class Garbage {
  readonly watches = new Set<Watch>();
  /** What a reference of the copy points to. */
  readonly referenced = new WeakSet<object>();
  readonly collected = new WeakSet<object>();

  /** Collects an object; false: the copy watches no such object, and would not notice. */
  collect(object: object): boolean {
    const watches = [...this.watches].filter((watch) => watch.object === object);
    if (watches.length === 0 && !this.referenced.has(object)) return false;
    this.collected.add(object);
    // One that is told may end the watch of the next.
    for (const watch of watches) if (this.watches.delete(watch)) watch.notify();
    return true;
  }
}

/** Stands in for a FinalizationRegistry. */
export class SimulatedRegistry {
  readonly #garbage: Garbage;
  readonly #callback: (held: unknown) => void;

  constructor(garbage: Garbage, callback: (held: unknown) => void) {
    this.#garbage = garbage;
    this.#callback = callback;
  }

  register(object: object, held: unknown, token?: unknown): void {
    const notify = () => this.#callback(held);
    this.#garbage.watches.add({ registry: this, object, token, notify });
  }

  unregister(token: unknown): boolean {
    const { watches } = this.#garbage;
    const ended = [...watches].filter((watch) => watch.registry === this && watch.token === token);
    for (const watch of ended) watches.delete(watch);
    return ended.length > 0;
  }
}

/** Stands in for a WeakRef. */
export class SimulatedReference {
  readonly #garbage: Garbage;
  readonly #object: object;

  constructor(garbage: Garbage, object: object) {
    this.#garbage = garbage;
    this.#object = object;
    garbage.referenced.add(object);
  }

  deref(): object | undefined {
    return this.#garbage.collected.has(this.#object) ? undefined : this.#object;
  }
}
