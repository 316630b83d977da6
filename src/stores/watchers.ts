/** Who in this process watches which lock of a store. */

export class Watchers {
  readonly #wakes = new Map<string, Set<() => void>>();

  /** Wakes `wake` with the others of `key`, until the returned function is called. */
  add(key: string, wake: () => void): () => void {
    const wakes = this.#wakes.get(key) ?? new Set();
    // A function of its own, so that the same one may watch twice.
    const own = () => wake();
    this.#wakes.set(key, wakes.add(own));
    return () => {
      if (wakes.delete(own) && wakes.size === 0) this.#wakes.delete(key);
    };
  }

  has(key: string): boolean {
    return this.#wakes.has(key);
  }

  get idle(): boolean {
    return this.#wakes.size === 0;
  }

  wake(key: string): void {
    for (const wake of this.#wakes.get(key) ?? []) wake();
  }

  wakeAll(): void {
    for (const key of this.#wakes.keys()) this.wake(key);
  }
}
