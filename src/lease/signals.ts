/** The signals that callers get: whoever keeps one of them has not forgotten what it tells of. */
import { setMaxListeners } from 'node:events';

const owners = new WeakMap<AbortSignal, object>();

/**
 * Depends on `sources`, none of which knows it: so a signal that was dropped is collected, and its owner
 * with it. One that is kept or listened to is not (DOM Standard, "Garbage collection" of abort signals),
 * and keeps its owner.
 */
export function signalOf(owner: object, sources: AbortSignal[]): AbortSignal {
  const signal = AbortSignal.any(sources);
  // Older versions of Node.js warn of a leak at the eleventh listener.
  setMaxListeners(0, signal);
  owners.set(signal, owner);
  return signal;
}
