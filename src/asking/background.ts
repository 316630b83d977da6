/** What goes on for a store although no caller waits for it, and by which a lock may still be taken. */
import type { LockStore } from '../store.js';

const works = new WeakMap<LockStore, Set<Promise<void>>>();

/** Notes `work`, which never rejects, until it has come to its end. */
export function inBackground(store: LockStore, work: Promise<void>): Promise<void> {
  const ofStore = works.get(store) ?? new Set();
  works.set(store, ofStore.add(work));
  void work.then(() => ofStore.delete(work));
  return work;
}

/** Resolves when nothing goes on, and nothing was begun meanwhile. */
export async function backgroundEnded(store: LockStore): Promise<void> {
  const ofStore = works.get(store);
  while (ofStore?.size) await Promise.all(ofStore);
}
