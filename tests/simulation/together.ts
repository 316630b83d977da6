/** What must hold of those who hold a lock at once, as many as their limits allow. */
import type { Servers } from './servers.js';
import type { Tenure } from './tenure.js';
import { must } from './violation.js';

/** @param held the leases that are held at one moment, by the clocks of their processes. */
export function checkTogether(held: readonly Tenure[], servers: Servers): void {
  for (const name of new Set(held.map(({ lease }) => lease.name))) {
    const tenures = held.filter(({ lease }) => lease.name === name);
    const limits = tenures.map(({ limit }) => limit);
    const isRight = tenures.length === 1 || !limits.includes(1);
    must(isRight, 'who holds a lock alone is alone', tenures.map(described).join(' beside '));
    const fit = tenures.length <= Math.max(...limits);
    must(fit, 'no more leases are held than the limit', tenures.map(described).join(' beside '));
  }
  for (const tenure of held) {
    const { lease, limit } = tenure;
    const isOurs = servers.hold(lease.name, lease.token, limit);
    must(isOurs, 'a held lease is ours in the store', described(tenure));
  }
}

/** Whether leases with those limits keep out whoever wants their lock with a limit. */
export function fill(limits: readonly number[], limit: number): boolean {
  return limits.includes(1) || limits.length >= limit;
}

function described({ process, lease, limit }: Tenure): string {
  return `${lease.token.slice(0, 4)} of ${process.name}, limit ${limit}`;
}
