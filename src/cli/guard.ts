/** Watches over a lease, and tells when the command must be stopped so that it ends in time. */
import type { Lease } from '../lease/lease.js';

const longestTimer = 2 ** 31 - 1;

/** What the killing itself may take, on a machine that is busy. */
function allowanceWithin(ttl: number): number {
  return Math.min(500, ttl / 10);
}

/** The lease was lost, or is about to be for want of a renewal in time. */
export type Alarm = 'lost' | 'unrenewed';

export interface Guard {
  readonly alarmed: Promise<Alarm>;
  /** How long the command may take to end, in milliseconds; less where the alarm came late. */
  grace(): number;
  dismiss(): void;
}

/**
 * @param grace how long the command may take to end, in milliseconds; at most a third of the ttl.
 *
 * A lease that is renewed has at least half of its life before it, so there is time for renewals to
 * fail and be repeated until the alarm.
 */
export function guard(lease: Lease, ttl: number, grace: number): Guard {
  const { signal } = lease;
  const fitted = Math.min(grace, Math.floor(ttl / 3));
  const allowance = allowanceWithin(ttl);
  let timer: NodeJS.Timeout | undefined;
  let alarm = () => {};
  const alarmed = new Promise<Alarm>((resolve) => {
    alarm = () => resolve(signal.aborted ? 'lost' : 'unrenewed');
  });
  const look = () => {
    const left = lease.remaining - fitted - allowance;
    if (left <= 0) alarm();
    else timer = setTimeout(look, Math.min(Math.ceil(left), longestTimer));
  };
  signal.addEventListener('abort', alarm, { once: true });
  look();
  return {
    alarmed,
    grace: () => (lease.held ? Math.max(0, Math.min(fitted, lease.remaining - allowance)) : fitted),
    dismiss: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', alarm);
    },
  };
}
