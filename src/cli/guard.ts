/** Watches over a lease, and tells when the command must be stopped so that it ends in time. */
import type { Lease } from '../lease.js';

const longestTimer = 2 ** 31 - 1;

/** How long the command has between SIGTERM and SIGKILL, in milliseconds. */
export function graceWithin(ttl: number, grace: number): number {
  return Math.min(grace, Math.floor(ttl / 3));
}

/** What the killing itself may take, on a machine that is busy. */
function allowanceWithin(ttl: number): number {
  return Math.min(200, ttl / 20);
}

export interface Guard {
  /** Resolves when the lease was lost, or is about to be for want of a renewal in time. */
  readonly alarmed: Promise<'lost' | 'unrenewed'>;
  dismiss(): void;
}

/**
 * A lease that is renewed has at least half of its life before it, so there is time for renewals to
 * fail and be repeated until the alarm.
 */
export function guard(lease: Lease, ttl: number, grace: number): Guard {
  const { signal } = lease;
  const lead = graceWithin(ttl, grace) + allowanceWithin(ttl);
  let timer: NodeJS.Timeout | undefined;
  let alarm = () => {};
  const alarmed = new Promise<'lost' | 'unrenewed'>((resolve) => {
    alarm = () => resolve(signal.aborted ? 'lost' : 'unrenewed');
  });
  const look = () => {
    const left = lease.remaining - lead;
    if (left <= 0) alarm();
    else timer = setTimeout(look, Math.min(Math.ceil(left), longestTimer));
  };
  signal.addEventListener('abort', alarm, { once: true });
  look();
  return {
    alarmed,
    dismiss: () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', alarm);
    },
  };
}
