/**
 * What a fleet costs the store, in requests: the formulas of docs/scale.md. They follow from what the core
 * does, and are held against it by a test.
 */

/** One turn of a process that loops over a lock: it asks, and gives back; behind others it asks twice. */
export function requestsASection(processes: number): number {
  return processes === 1 ? 2 : 3;
}

/**
 * A second of processes that wait while the lock stays where it is, and that the store wakes: each comes
 * by now and then to keep its place in the queue, the less often the farther behind it stands, from every
 * 2.6 s to every 2.6 min.
 */
export function idleInQueue(processes: number): number {
  let requests = 0;
  for (let ahead = 0; ahead < processes; ahead++) {
    requests += 1 / (2.625 * Math.min(Math.max(ahead, 1), 60));
  }
  return requests;
}

/** The same where nobody is woken: each asks about once a second. */
export function idlePolling(processes: number): number {
  return processes / 0.875;
}

/** A second of leases that are renewed: at 0.85 to 1 of a third of the ttl, in milliseconds. */
export function renewals(leases: number, ttl: number): number {
  return leases / ((ttl / 3 / 1_000) * 0.925);
}
