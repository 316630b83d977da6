/**
 * The judge: from what all workers wrote down it finds any two leases on one lock that were valid at
 * the same time, and any fence that did not grow. It knows nothing of stores, processes and faults.
 */
import type { Entry } from './journal.js';

/** What a worker saw of a lease. Times are by the common clock. */
export interface SeenLease {
  readonly worker: string;
  readonly lock: string;
  readonly fence: number | undefined;
  readonly requested: number;
  /** When the worker had it in hands. */
  readonly granted: number;
  /**
   * Until when it was valid: its release, its loss, or else what it last said of itself. The latter
   * counts for a dead worker too, since the store has to keep the lock for as long.
   */
  end: number;
  /** Undefined: a worker that died left it as it was. */
  ending: 'released' | 'lost' | undefined;
}

export interface History {
  readonly leases: readonly Readonly<SeenLease>[];
  /** How often each event was written down. */
  readonly counts: Readonly<Record<Entry['event'], number>>;
}

/** @param journals all that each worker wrote, in its order. */
export function gatherHistory(journals: Iterable<[worker: string, Iterable<Entry>]>): History {
  const leases: SeenLease[] = [];
  const counts = {
    requested: 0,
    granted: 0,
    renewed: 0,
    released: 0,
    lost: 0,
    refused: 0,
    failed: 0,
    aborted: 0,
    'store-error': 0,
  };
  for (const [worker, entries] of journals) {
    const seen = new Map<number, SeenLease>();
    const requests = new Map<number, Entry & { event: 'requested' }>();
    for (const entry of entries) {
      counts[entry.event] += 1;
      if (entry.event === 'requested') {
        requests.set(entry.attempt, entry);
      } else if (entry.event === 'granted') {
        const { lock, at: requested } = found(requests, entry);
        const { at: granted, until: end, fence } = entry;
        seen.set(entry.attempt, {
          worker,
          lock,
          fence,
          requested,
          granted,
          end,
          ending: undefined,
        });
      } else {
        note(entry, seen);
      }
    }
    for (const lease of seen.values()) leases.push(lease);
  }
  return { leases, counts };
}

function note(entry: Entry, seen: Map<number, SeenLease>): void {
  if (entry.event !== 'renewed' && entry.event !== 'released' && entry.event !== 'lost') return;
  const lease = found(seen, entry);
  // A release that came too late tells of the loss as well.
  if (lease.ending) return;
  if (entry.event === 'renewed') {
    lease.end = entry.until;
    return;
  }
  lease.ending = entry.event;
  lease.end =
    entry.event === 'released' ? entry.at : Math.max(entry.seen, Math.min(entry.at, lease.end));
}

function found<T>(attempts: Map<number, T>, { event, attempt }: Entry): T {
  const known = attempts.get(attempt);
  if (known) return known;
  throw new Error(`A journal has ${event} for attempt ${attempt}, but not what comes before`);
}

export interface Violation {
  readonly rule: 'overlap' | 'fence';
  readonly earlier: Readonly<SeenLease>;
  readonly later: Readonly<SeenLease>;
}

/**
 * Goes through the leases in the order of their grants. That is the store's order too: an earlier
 * grant that reached its worker only after a later one would be one of two that overlap.
 *
 * @param fenced whether the store promises fences: then each lease must have one.
 */
export function judge(
  { leases }: Pick<History, 'leases'>,
  { fenced }: { fenced: boolean },
): Violation[] {
  const violations: Violation[] = [];
  const before = new Map<string, { longest: Readonly<SeenLease>; newest: Readonly<SeenLease> }>();
  for (const later of leases.filter(wasValid).sort((a, b) => a.granted - b.granted)) {
    const { longest, newest } = before.get(later.lock) ?? {};
    if (longest && later.granted < longest.end) {
      violations.push({ rule: 'overlap', earlier: longest, later });
    }
    if (fenced && !((later.fence ?? 0) > (newest?.fence ?? 0))) {
      violations.push({ rule: 'fence', earlier: newest ?? later, later });
    }
    before.set(later.lock, {
      longest: longest && longest.end > later.end ? longest : later,
      newest: newest && (newest.fence ?? 0) > (later.fence ?? 0) ? newest : later,
    });
  }
  return violations;
}

/** A worker that was stopped before it could look at its new lease never saw it valid. */
function wasValid({ granted, end }: Readonly<SeenLease>): boolean {
  return end > granted;
}
