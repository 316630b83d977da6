/** Listening to the abort signals of callers: one listener for a signal, however many wait on it. */
import { addAbortListener } from 'node:events';

interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: Disposable;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls back when `signal` aborts, until the returned function is called; also where a listener of the
 * caller stops the event (Node.js, `events.addAbortListener`).
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = waiting.get(signal) ?? listenTo(signal);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0) return;
    waiting.delete(signal);
    listener[Symbol.dispose]();
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = addAbortListener(signal, () => {
    for (const callback of callbacks) callback();
  });
  const entry = { callbacks, listener };
  waiting.set(signal, entry);
  return entry;
}
