/** Watches over a lease, and tells when the command must be stopped so that it ends in time. */
import { Alarm, later, now } from '../base/clock.js';
import type { Lease } from '../index.js';

/** What the killing itself may take, on a machine that is busy. */
function allowanceWithin(ttl: number): number {
  return Math.min(500, ttl / 10);
}

/** The lease was lost, or is about to be for want of a renewal in time. */
export type Danger = 'lost' | 'unrenewed';

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
export function guard(lease: Lease, ttl: number, grace: number): Guard {
  const { signal } = lease;
  const fitted = Math.min(grace, Math.floor(ttl / 3));
  const allowance = allowanceWithin(ttl);
  let tell = () => {};
  const danger = new Promise<Danger>((resolve) => {
    tell = () => resolve(signal.aborted ? 'lost' : 'unrenewed');
  });
  const look = () => {
    const left = lease.remaining - fitted - allowance;
    if (left <= 0) tell();
    else alarm.set(later(now(), left));
  };
  const alarm = new Alarm(look);
  signal.addEventListener('abort', tell, { once: true });
  look();
  return {
    danger,
    grace: () => (lease.held ? Math.max(0, Math.min(fitted, lease.remaining - allowance)) : fitted),
    dismiss: () => {
      alarm.cancel();
      signal.removeEventListener('abort', tell);
    },
  };
}
