/** The code of a process that takes several locks at once. */
import type { AcquireOptions, Leases } from '../../src/index.js';
import { type Hands, lapse } from './hands.js';
import type { TakeAll } from './script.js';
import type { Call, Tenure } from './tenure.js';
import { must } from './violation.js';

/** A group that is held: the leases of all its locks. */
interface Group {
  readonly leases: Leases;
  readonly tenures: readonly Tenure[];
}

export async function takeAll(hands: Hands, action: TakeAll): Promise<void> {
  const { process, connection, judge, world } = hands;
  const { ttl, renew, wait, abortAfter } = action;
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('enough');
  judge.listensTo(process, signal);
  const limit = hands.limitOf(action);
  const names = [...new Set(action.names)].sort();
  // Those that the others have left nothing of the wait are asked for once, and one of them twice.
  const within = wait + (names.length + 1) * connection.store.timeout;
  const what = wait === 0 ? 'tryAcquireAll' : 'acquireAll';
  const call = judge.call(process, what, { within, limit });
  if (abortAfter !== undefined) {
    process.later(abortAfter, () => {
      controller.abort(reason);
      judge.mustEnd(call, 0);
    });
  }
  await hands.expecting(call, ['ERR_DLOCK_STORE', 'ERR_DLOCK_TIMEOUT', reason], async () => {
    const leases = await ask(hands, call, action.names, { ttl, renew, signal, limit, wait });
    if (!leases) {
      judge.toldHeld(call, ...names);
      return world.tell('group refused', process.name);
    }
    world.tell('group granted', process.name);
    const got = [...leases].map(({ name }) => name);
    const areAll = leases.held && `${got.toSorted()}` === `${names}`;
    must(areAll, 'a group has all its locks, each once', `${got} of ${names}`);
    const tenures = [...leases].map((lease) => hands.hold(lease, limit, false));
    if (action.observed) for (const tenure of tenures) tenure.signal = leases.signal;
    hands.later(action.hold, () => end(hands, { leases, tenures }, action.end));
  });
}

/** Null: one of the locks is held, which a wait that ends must name. */
async function ask(
  { process, connection: { store }, judge }: Hands,
  call: Call,
  names: readonly string[],
  { wait, ...options }: AcquireOptions,
): Promise<Leases | null> {
  const { acquireAll, tryAcquireAll } = process.core;
  if (wait === 0) return tryAcquireAll(store, names, options);
  try {
    return await acquireAll(store, names, { ...options, wait });
  } catch (error) {
    const { code, lock } = error as { code?: string; lock: string };
    if (code === 'ERR_DLOCK_TIMEOUT') judge.toldHeld(call, lock);
    throw error;
  }
}

async function end(hands: Hands, { leases, tenures }: Group, how: TakeAll['end']): Promise<void> {
  const { process, judge, world } = hands;
  world.tell(`group: ${how}`, process.name);
  const call = judge.call(process, how);
  const after = how === 'lapse' ? lapse : 0;
  const partings = tenures.map((tenure) => hands.leave(tenure, after));
  if (how === 'dispose') {
    await hands.expecting(call, [], async () => leases[Symbol.asyncDispose]());
  } else {
    await hands.expecting(call, ['ERR_DLOCK_STORE'], async () => {
      const ours = await leases.release({ after });
      const each = await Promise.all(tenures.map(({ lease }) => lease.release()));
      must(ours === each.every(Boolean), 'a group was ours if each lease was', `${each}`);
      for (const [index, parting] of partings.entries()) hands.left(parting, each[index] === true);
    });
  }
  for (const tenure of tenures) judge.hasLeft(tenure);
}
