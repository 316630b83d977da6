/** When a process may end without leaving a lock behind. */
import { backgroundEnded } from '../asking/background.js';
import { Alarm, never } from '../base/clock.js';
import type { LockStore } from '../store.js';

/**
 * Resolves when nothing goes on in the background by which this process could still take a lock of
 * `store`: then its client may be closed, and the process may exit.
 *
 * An attempt that is aborted, or fails, rejects at once, while its request may still be under way. What
 * that may get is given back in the background, which takes a moment; while the store does not answer,
 * as long as the ttl. Leases that are held are not waited for: release them first.
 *
 * ```ts
 * shutdown.abort(); // the signal of all that waits, and of all bodies
 * await Promise.allSettled(work);
 * await Promise.race([settled(store), setTimeout(2_000)]);
 * client.destroy();
 * ```
 */
export async function settled(store: LockStore): Promise<void> {
  // The background keeps no process alive, but who waits for it does.
  const vigil = new Alarm(() => {}, 'awaited');
  vigil.set(never);
  await backgroundEnded(store);
  vigil.cancel();
}
