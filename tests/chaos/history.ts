/**
 * The judge: from what all workers wrote down it finds leases on one lock that were valid at the same
 * time and must not have been, and any fence that did not grow. It knows nothing of stores, processes
 * and faults.
 */
import type { Entry } from './journal.js';

/** What a worker saw of a lease. Times are by the common clock. */
export interface SeenLease {
  readonly worker: string;
  readonly lock: string;
  /** How many may hold the lock at once: 1, nobody else. */
  readonly limit: number;
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
        const { lock, limit, at: requested } = found(requests, entry);
        const { at: granted, until: end, fence } = entry;
        seen.set(entry.attempt, {
          worker,
          lock,
          limit: limit ?? Infinity,
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

/**
 * `overlap`: the later one beside the earlier ones, though it or they hold the lock alone. `limit`: beside
 * as many as its limit, or more. `fence`: not as the fences of the earlier ones ask for.
 */
export interface Violation {
  readonly rule: 'overlap' | 'limit' | 'fence';
  readonly earlier: readonly Readonly<SeenLease>[];
  readonly later: Readonly<SeenLease>;
}

/** @param fenced whether the store promises fences: then each lease must have one. */
export function judge(
  { leases }: Pick<History, 'leases'>,
  { fenced }: { fenced: boolean },
): Violation[] {
  const violations: Violation[] = [];
  const fencesOf = new Map<string, Fences>();
  for (const { lease, beside } of grantsOf(leases)) {
    violations.push(...judgeTogether(lease, beside, { fenced }));
    if (!fenced) continue;
    const fences = fencesOf.get(lease.lock) ?? new Fences();
    fencesOf.set(lease.lock, fences);
    violations.push(...fences.judge(lease));
  }
  return violations;
}

/** The most leases on one lock that were valid at the same time. */
export function mostAtOnce({ leases }: Pick<History, 'leases'>): number {
  return Math.max(0, ...[...grantsOf(leases)].map(({ beside }) => beside.length + 1));
}

/**
 * The leases in the order in which they came into hands, each with those on its lock that were valid then.
 * Of two on one lock, of which one is alone, that is the store's order too: an earlier grant that reached
 * its worker only after a later one would be one of two that overlap.
 */
function* grantsOf(leases: readonly Readonly<SeenLease>[]) {
  const validOf = new Map<string, readonly Readonly<SeenLease>[]>();
  for (const lease of leases.filter(wasValid).sort((a, b) => a.granted - b.granted)) {
    const beside = (validOf.get(lease.lock) ?? []).filter(({ end }) => end > lease.granted);
    yield { lease, beside };
    validOf.set(lease.lock, [...beside, lease]);
  }
}

/** A worker that was stopped before it could look at its new lease never saw it valid. */
function wasValid({ granted, end }: Readonly<SeenLease>): boolean {
  return end > granted;
}

/**
 * Those that are valid now were so, too, when the store granted the last of them, and when it granted each
 * to those before it: so the nth of them needs a limit of n. The fences tell in which order the store granted
 * them; without fences, there must be one that would do.
 */
function judgeTogether(
  lease: Readonly<SeenLease>,
  beside: readonly Readonly<SeenLease>[],
  { fenced }: { fenced: boolean },
): Violation[] {
  const violations: Violation[] = [];
  const alone = beside.filter(({ limit }) => limit === 1 || lease.limit === 1);
  if (alone.length > 0) violations.push({ rule: 'overlap', earlier: alone, later: lease });
  const order = [...beside, lease]
    .filter(({ limit }) => limit > 1)
    .sort((a, b) => (fenced ? (a.fence ?? 0) - (b.fence ?? 0) : a.limit - b.limit));
  for (const [index, later] of order.entries()) {
    // What was wrong before this lease came has been told.
    const isNew = order.indexOf(lease) <= index;
    if (later.limit > index || !isNew) continue;
    violations.push({ rule: 'limit', earlier: order.slice(0, index), later });
  }
  return violations;
}

/** Of one lock. All differ; those of several who hold it together may come into hands in any order. */
class Fences {
  readonly #owners = new Map<number | undefined, Readonly<SeenLease>>();
  #highest: Readonly<SeenLease> | undefined;
  #highestAlone: Readonly<SeenLease> | undefined;

  /** That of whoever holds the lock alone is above all before it, and below all after it. */
  judge(later: Readonly<SeenLease>): Violation[] {
    const { fence = 0, limit } = later;
    const below = limit === 1 ? this.#highest : this.#highestAlone;
    const same = this.#owners.get(later.fence);
    const isWrong = same !== undefined || !(fence > (below?.fence ?? 0));
    this.#owners.set(later.fence, later);
    this.#highest = higher(this.#highest, later);
    if (limit === 1) this.#highestAlone = higher(this.#highestAlone, later);
    const earlier = [same ?? below].filter((lease) => lease !== undefined);
    return isWrong ? [{ rule: 'fence', earlier, later }] : [];
  }
}

function higher(
  one: Readonly<SeenLease> | undefined,
  other: Readonly<SeenLease>,
): Readonly<SeenLease> {
  return one && (one.fence ?? 0) > (other.fence ?? 0) ? one : other;
}
