/** What the failover records, and what is read from it. Times are milliseconds of one clock. */

/** A body under a lease. */
export interface Run {
  readonly token: string;
  readonly fence: number;
  readonly begin: number;
  end: number;
  /** Until when its lease was valid, by its own clock, but no longer than the body ran. */
  validUntil: number;
}

/** The pairs whose bodies ran at once, both under a valid lease. */
export function overlaps(runs: readonly Run[]): [Run, Run][] {
  const sorted = runs.toSorted((one, two) => one.begin - two.begin);
  return sorted.flatMap((one, index) =>
    sorted
      .slice(index + 1)
      .filter((two) => two.begin < one.validUntil)
      .map((two): [Run, Run] => [one, two]),
  );
}

/** The longest time between two grants, or from the last one to the end. */
export function longestGap(runs: readonly Run[], end: number): number {
  const grants = [...runs.map(({ begin }) => begin), end].sort((one, two) => one - two);
  return Math.max(...grants.map((grant, index) => grant - (grants[index - 1] ?? 0)));
}
