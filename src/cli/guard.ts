/** Watches over a lease, and tells when the command must be stopped so that it ends in time. */
import { Alarm } from '../base/alarm.js';
import { later, now } from '../base/clock.js';
import type { Lease, LeaseLostError, Leases } from '../index.js';

/** What the killing itself may take, on a machine that is busy. */
function allowanceWithin(ttl: number): number {
  return Math.min(500, ttl / 10);
}

/** Why the lease is lost; or that it is about to be, for want of a renewal in time. */
export type Danger = LeaseLostError | 'unrenewed';

export interface Guard {
  readonly danger: Promise<Danger>;
  /** How long the command may take to end, in milliseconds; less where the danger came to light late. */
  grace(): number;
  dismiss(): void;
}

/**
 * @param grace how long the command may take to end, in milliseconds; at most a third of the ttl.
 *
 * A lease that is renewed has at least half of its life before it, so there is time for renewals to
 * fail and be repeated until it is in danger.
 */
export function guard(lease: Lease | Leases, ttl: number, grace: number): Guard {
  const { signal } = lease;
  const fitted = Math.min(grace, Math.floor(ttl / 3));
  const allowance = allowanceWithin(ttl);
  let tell = (_: Danger) => {};
  const danger = new Promise<Danger>((resolve) => {
    tell = resolve;
  });
  const lost = () => tell(signal.reason);
  const look = () => {
    const left = lease.remaining - fitted - allowance;
    if (left > 0) alarm.set(later(now(), left));
    else tell(lossOf(lease) ?? 'unrenewed');
  };
  const alarm = new Alarm(look);
  signal.addEventListener('abort', lost, { once: true });
  look();
  return {
    danger,
    grace: () => (lease.held ? Math.max(0, Math.min(fitted, lease.remaining - allowance)) : fitted),
    dismiss: () => {
      alarm.cancel();
      signal.removeEventListener('abort', lost);
    },
  };
}

/** Whoever was stopped may look at a lease that has ended, before the lease itself has noticed. */
function lossOf(lease: Lease | Leases): LeaseLostError | undefined {
  try {
    lease.assertHeld();
    return undefined;
  } catch (error) {
    return error as LeaseLostError;
  }
}
