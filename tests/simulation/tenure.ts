/** What processes have in hand: leases, and calls that are under way. */
import type { Moment } from '../../src/base/clock.js';
import type { Lease } from '../../src/lease/lease.js';
import type { SimulatedProcess } from './process.js';

/** A call that has not come back yet. */
export interface Call {
  /** Calls are counted in their order. */
  readonly number: number;
  readonly process: SimulatedProcess;
  readonly what: string;
  readonly startMonotonic: number;
  /** After how many milliseconds of its process' running time it must have come back. */
  within: number;
  /** How many may hold the lock at once that it asks for: 1, nobody else. */
  readonly limit: number;
  /** The lock for which it stands in the line of its process. */
  readonly line: string | undefined;
  /** It has got the lease for which it stood there. */
  served: boolean;
}

/** A lease in the hands of a process. */
export interface Tenure {
  readonly process: SimulatedProcess;
  readonly lease: Lease;
  /** How many may hold the lock at once: 1, nobody else. */
  readonly limit: number;
  /** Aborted when the lease tells of its loss; undefined where nobody looks, or does any more. */
  signal: AbortSignal | undefined;
  /** How it is to end, once somebody ends it. */
  fate: 'open' | 'released' | 'handed over' | 'forgotten';
  /** The longest time for which the lock may stay taken after a release. */
  lapse: number;
  /** It was held when its release began, and that has not come to its end. */
  leaving: boolean;
  /** The core has ended it. */
  ended: boolean;
  /** The store has told the core that it is not ours. */
  refused: boolean;
}

export function isPast(deadline: Moment, process: SimulatedProcess): boolean {
  return process.monotonic() >= deadline.monotonic || process.wall() >= deadline.wall;
}
