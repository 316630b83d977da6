/**
 * Several of a kind, such as the GPUs of a machine or the licences of a tool, each a lock of its own: works
 * with every store, and tells which one it is. Who needs only the number takes `limit`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, type LockStore, tryAcquire } from 'dlock-js';

/** One of these that is free, or null. Each who asks begins elsewhere, so that they seldom meet. */
export async function tryAcquireOne(
  store: LockStore,
  names: readonly string[],
): Promise<Lease | null> {
  const start = Math.floor(Math.random() * names.length);
  for (const name of [...names.slice(start), ...names.slice(0, start)]) {
    const lease = await tryAcquire(store, name);
    if (lease) return lease;
  }
  return null;
}

/** Waits for one of these, until `signal` aborts: nobody is called, so it asks again, less and less often. */
export async function acquireOne(
  store: LockStore,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<Lease> {
  for (let pause = 50; ; pause = Math.min(2 * pause, 2_000)) {
    const lease = await tryAcquireOne(store, names);
    if (lease) return lease;
    await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal });
  }
}
