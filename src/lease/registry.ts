/** What a process knows of its locks, by store and name. */
import type { LockStore } from '../store.js';

export interface Lock {
  readonly store: LockStore;
  readonly name: string;
}

export class Registry<T> {
  readonly #entries = new WeakMap<LockStore, Map<string, T>>();

  get({ store, name }: Lock): T | undefined {
    return this.#entries.get(store)?.get(name);
  }

  set({ store, name }: Lock, entry: T): void {
    const ofStore = this.#entries.get(store) ?? new Map();
    this.#entries.set(store, ofStore.set(name, entry));
  }

  /** Does nothing if another entry has taken the place of this one. */
  delete({ store, name }: Lock, entry: T): void {
    const ofStore = this.#entries.get(store);
    if (ofStore?.get(name) === entry) ofStore.delete(name);
  }
}
