/**
 * Options that may be undefined, as callers have them who compile with `exactOptionalPropertyTypes`:
 * the compiler is the test, and nothing here is ever run.
 */
import {
  type AcquireOptions,
  acquire,
  acquireAll,
  adopt,
  type LeadOptions,
  type LeaseOptions,
  type Leases,
  type LeaseTicket,
  type LockStore,
  lead,
  locked,
  type OnceOptions,
  type Outcome,
  once,
  tryAcquire,
  tryAcquireAll,
} from 'dlock-js';

export async function maybe(store: LockStore, ms: number | undefined, signal?: AbortSignal) {
  const lease: LeaseOptions = { ttl: ms, renew: undefined, minHold: ms, signal };
  const waiting: AcquireOptions = { ...lease, wait: ms };
  const retaining: OnceOptions = { ...waiting, retain: ms };
  await tryAcquire(store, 'import', lease);
  const held = await acquire(store, 'import', waiting);
  await held.extend(ms);
  await held.release({ after: ms });
  const ticket: LeaseTicket = { name: 'import', token: '', ttl: 1, fence: ms };
  await adopt(store, ticket, lease);
  const outcome: Outcome<void> = await locked(store, 'import', () => {}, waiting);
  if (!outcome.ran) outcome.reason satisfies 'held';
  // @ts-expect-error `locked` knows of no period that is done.
  if (!outcome.ran && outcome.reason === 'done') return;
  const run: Outcome<void, 'held' | 'done'> = await once(store, 'a', 'b', () => {}, retaining);
  if (!run.ran && run.reason === 'done') return;
  const leading: LeadOptions = lease;
  (await lead(store, 'import', () => 1, leading)) satisfies number;
  // @ts-expect-error `lead` waits for as long as it takes.
  await lead(store, 'import', () => 1, { wait: 5_000 });
  // @ts-expect-error A leader leads alone.
  await lead(store, 'import', () => 1, { limit: 2 });
  // @ts-expect-error `tryAcquire` does not wait.
  await tryAcquire(store, 'import', { wait: 5_000 });
  const names: readonly string[] = ['a', 'b'];
  const leases: Leases = await acquireAll(store, names, waiting);
  await leases.extend(ms);
  await leases.release({ after: ms });
  for (const { fence } of leases) fence satisfies number | undefined;
  await tryAcquireAll(store, names, lease);
  // @ts-expect-error Nor does `tryAcquireAll`.
  await tryAcquireAll(store, names, { wait: 5_000 });
  // @ts-expect-error One name is no list of names.
  await acquireAll(store, 'a');
  // @ts-expect-error No number orders the holders of several names.
  leases.fence satisfies number | undefined;
}
