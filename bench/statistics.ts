/** Medians and spreads: on a machine shared with others the mean says little. */

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The median with the quartiles. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: at(sorted, 0.5), low: at(sorted, 0.25), high: at(sorted, 0.75) };
}

export function median(values: readonly number[]): number {
  return spread(values).median;
}

function at(sorted: readonly number[], quantile: number): number {
  const place = (sorted.length - 1) * quantile;
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** How many pairs of `order` are the wrong way round. */
export function inversions(order: readonly number[]): number {
  let count = 0;
  for (let i = 0; i < order.length; i++) {
    for (let j = i + 1; j < order.length; j++) {
      if ((order[i] as number) > (order[j] as number)) count += 1;
    }
  }
  return count;
}
