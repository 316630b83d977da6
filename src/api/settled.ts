/** When a process may end without leaving a lock behind. */
import { backgroundEnded } from '../asking/background.js';
import { checkStore, checkWait } from '../asking/terms.js';
import { Alarm } from '../base/alarm.js';
import { checkOptions } from '../base/arguments.js';
import { later, now } from '../base/clock.js';
import type { LockStore } from '../store.js';

/** How long to wait until a store is settled. */
export interface SettledOptions {
  /** In milliseconds. Default: `Infinity`. */
  wait?: number | undefined;
}

/**
 * Waits until this process can no longer take a lock of `store` through background work: then its client may
 * be closed, and the process may exit.
 *
 * An attempt that is aborted, or fails, rejects at once, while its request may still be under way. If that is
 * granted a lock, the lock is given back in the background, which takes a moment; while the store does not
 * answer, it takes until the lock has lapsed by itself. `settled` does not wait for leases that are held:
 * release them first.
 *
 * ```ts
 * shutdown.abort(); // the signal of all that waits, and of all bodies
 * await Promise.allSettled(work);
 * await settled(store, { wait: 2_000 });
 * client.destroy();
 * ```
 *
 * @returns true if nothing is going on any more; false if something still was after `wait`.
 * @throws TypeError or RangeError for invalid arguments, and what a store's own `settled` throws.
 */
export async function settled(store: LockStore, options: SettledOptions = {}): Promise<boolean> {
  checkStore(store);
  checkOptions('settled', options, ['wait']);
  const wait = checkWait('settled', options.wait ?? Infinity);
  return new Promise((resolve, reject) => {
    // The background keeps no process alive, but who waits for it does.
    const patience = new Alarm(() => resolve(false), 'awaited');
    patience.set(later(now(), wait));
    const ended = backgroundEnded(store).then(() => store.settled?.());
    ended.then(() => resolve(true), reject).finally(() => patience.cancel());
  });
}
