/**
 * What happens to leases and to their waiters, published on `node:diagnostics_channel`: one channel for each
 * event, named `dlock:` and the event. Nothing is computed while nobody listens.
 */
import { channel, subscribe as listen, unsubscribe } from 'node:diagnostics_channel';
import { requirements } from './arguments.js';
import { clock } from './clock.js';
import type { Operation } from './errors.js';
import { partsOf } from './names.js';

/**
 * What each event carries. Times are in milliseconds; `latency` is how long the store took to answer the
 * request that the event is about. Each `granted` is followed by one `released`, `lost` or `handed-over` of
 * the same lease, unless the process ends first.
 */
export interface DlockEvents {
  /**
   * A lease was granted, after its caller had waited for `waitedFor` in all: in the line of this process, in
   * the queue of the store, and for the answer.
   */
  granted: LeaseEvent & { ttl: number; waitedFor: number; latency: number };
  /** Somebody else holds the lock, for `retryAfter` more if not renewed. A waiting caller goes on waiting. */
  refused: LeaseEvent & { retryAfter: number | undefined; latency: number };
  /**
   * A caller's wait ended without the lock: its `wait` ran out, its signal aborted (also during a single
   * try), or the store could not be asked.
   */
  abandoned: LockEvent & { reason: 'timeout' | 'abort' | 'store-error'; waitedFor: number };
  /** The store confirmed that the lease lives for another `ttl`. */
  renewed: LeaseEvent & { ttl: number; latency: number };
  /** The lease ended without a release, after `heldFor`; `error` is a `LeaseLostError`. */
  lost: LeaseEvent & { error: Error; heldFor: number };
  /**
   * The lease was given back after `heldFor`, to lapse in `after` (0: at once). If there is no `latency`, the
   * store has not confirmed it, and the lock is free after its ttl at the latest.
   */
  released: LeaseEvent & { after: number; heldFor: number; latency: number | undefined };
  /** The lease was given to another process, after `heldFor`, with `ttl` to adopt it. */
  'handed-over': LeaseEvent & { ttl: number; heldFor: number };
  /** The store did not answer a request; `error` is a `StoreError`. */
  'store-error': LeaseEvent & { operation: Operation; error: Error };
}

/** What all events carry: which lock they are about. */
export interface LockEvent {
  /** The name of the lock. */
  name: string;
  /** With `once`: the period, if the event is about its record rather than about the lock. */
  period: string | undefined;
  /** How many may hold the lock at once. */
  limit: number;
}

/** What the events about one lease carry: its holder, or the caller that wants to be. */
export interface LeaseEvent extends LockEvent {
  /** The first 8 characters of the token: enough to tell holders apart, useless to a thief. */
  token: string;
  /** Undefined before the grant, and where the store has no fences. */
  fence: number | undefined;
}

type EventName = keyof DlockEvents;

const channels = {
  granted: channel('dlock:granted'),
  refused: channel('dlock:refused'),
  abandoned: channel('dlock:abandoned'),
  renewed: channel('dlock:renewed'),
  lost: channel('dlock:lost'),
  released: channel('dlock:released'),
  'handed-over': channel('dlock:handed-over'),
  'store-error': channel('dlock:store-error'),
} satisfies Record<EventName, unknown>;

/**
 * Calls `listener` with each event of this kind, of all locks and stores of this process, until the returned
 * function is called. The listener is called at once, in the async context of the caller whose lease or wait
 * the event is about; if it throws, that is an uncaught exception of the process, and does not affect the
 * lease.
 *
 * ```ts
 * const unsubscribe = subscribe('lost', ({ name, error }) => log.error({ name, error }));
 * ```
 *
 * @throws TypeError for an event that does not exist.
 */
export function subscribe<Event extends keyof DlockEvents>(
  event: Event,
  listener: (details: DlockEvents[Event]) => void,
): () => void {
  const must = requirements('subscribe');
  const names = Object.keys(channels);
  must(TypeError, names.includes(event), 'The event', `be one of ${names.join(', ')}`, event);
  must(TypeError, typeof listener === 'function', 'The listener', 'be a function', listener);
  const { name } = channels[event];
  const hear = (details: unknown) => listener(details as DlockEvents[Event]);
  listen(name, hear);
  return () => void unsubscribe(name, hear);
}

/** Whose event it is; without a token, that of no lease. */
export interface Subject {
  readonly name: string;
  readonly token?: string | undefined;
  readonly fence?: number | undefined;
  readonly limit?: number | undefined;
}

/** Tells those who listen to `event`, if any; `details` gets the time, by the monotonic clock. */
export function tell<E extends EventName>(
  event: E,
  { name, token, fence, limit = 1 }: Subject,
  details: (now: number) => Omit<DlockEvents[E], keyof LeaseEvent>,
): void {
  const listeners = channels[event];
  if (!listeners.hasSubscribers) return;
  const { lock, period } = partsOf(name);
  const holder = token === undefined ? undefined : { token: token.slice(0, 8), fence };
  const about = { name: lock, period, ...holder, limit };
  listeners.publish({ ...about, ...details(clock.monotonic()) });
}

/** Warns the operator of what was reported to no caller: see `process.emitWarning`. */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'DlockWarning', code });
}
