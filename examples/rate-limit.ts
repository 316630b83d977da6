/**
 * A partner allows ten calls a second, over all of our servers. A place stays taken for a second from its
 * start, whether or not the call is over by then: so no more than ten begin within any second.
 */
import { acquire, type LockStore } from 'dlock-js';

/** Calls the partner; must stop when `signal` aborts. */
export type Call<T> = (signal: AbortSignal) => Promise<T>;

export interface Rate {
  readonly calls: number;
  /** In milliseconds. */
  readonly within: number;
}

/** Waits for its turn, in the order in which calls were asked for; longer than `wait`, it gives up. */
export async function callPartner<T>(
  store: LockStore,
  call: Call<T>,
  { calls, within }: Rate = { calls: 10, within: 1_000 },
  wait = 30_000,
): Promise<T> {
  await using turn = await acquire(store, 'partner api', { limit: calls, minHold: within, wait });
  return await call(turn.signal);
}
