/**
 * What happens to leases, told on `node:diagnostics_channel`: one channel for each event, named
 * `dlock:` and the event. Nothing is computed while nobody listens.
 */
import { channel } from 'node:diagnostics_channel';
import { clock } from './clock.js';
import type { Operation } from './errors.js';
import { partsOf } from './names.js';

/** What each event carries. Times are in milliseconds. */
export interface DlockEvents {
  /** A lease was granted, `duration` after it was asked for. */
  granted: LeaseEvent & { ttl: number; duration: number };
  /** Somebody else holds the lock, for `retryAfter` more if not renewed. */
  refused: LeaseEvent & { retryAfter: number | undefined; duration: number };
  /** The store confirmed that the lease lives for another `ttl`. */
  renewed: LeaseEvent & { ttl: number; duration: number };
  /** The lease ended without a release; `error` is a `LeaseLostError`. */
  lost: LeaseEvent & { error: Error };
  /** The lease was given back, to lapse in `after` (0: at once), `duration` after that was asked. */
  released: LeaseEvent & { after: number; duration: number };
  /** The store did not answer a request; `error` is a `StoreError`. */
  'store-error': LeaseEvent & { operation: Operation; error: Error };
}

/** What all events carry: the lock, and its holder or who wants to be. */
export interface LeaseEvent {
  /** The name of the lock. */
  name: string;
  /** Of `once`: the period, where the event is about its record and not about the lock. */
  period: string | undefined;
  /** The first 8 characters of the token: enough to tell holders apart, useless to a thief. */
  token: string;
  /** Undefined before the grant, and where the store has no fences. */
  fence: number | undefined;
  /** How many may hold the lock at once. */
  limit: number;
}

type EventName = keyof DlockEvents;

const channels = {
  granted: channel('dlock:granted'),
  refused: channel('dlock:refused'),
  renewed: channel('dlock:renewed'),
  lost: channel('dlock:lost'),
  released: channel('dlock:released'),
  'store-error': channel('dlock:store-error'),
} satisfies Record<EventName, unknown>;

/** Whose event it is. */
export interface Subject {
  readonly name: string;
  readonly token: string;
  readonly fence?: number | undefined;
  readonly limit?: number | undefined;
}

/** Tells those who listen to `event`, if any; `start`, by the monotonic clock, gives the duration. */
export function tell<E extends EventName>(
  event: E,
  { name, token, fence, limit = 1 }: Subject,
  details: () => Omit<DlockEvents[E], keyof LeaseEvent | 'duration'>,
  start = NaN,
): void {
  const listeners = channels[event];
  if (!listeners.hasSubscribers) return;
  const duration = clock.monotonic() - start;
  const { lock, period } = partsOf(name);
  const known = { name: lock, period, token: token.slice(0, 8), fence, limit, ...details() };
  listeners.publish(duration >= 0 ? { ...known, duration } : known);
}

/** Tells the operator of what no caller was told: see `process.emitWarning`. */
export function warn(message: string, code: string): void {
  process.emitWarning(message, { type: 'DlockWarning', code });
}
