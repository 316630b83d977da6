/** The pauses between the attempts at something that fails for now. */

/**
 * Lengths in milliseconds: each twice as long as the one before, from `first` up to `longest`, minus
 * some at random.
 */
export function* growingPauses(first: number, longest: number): Generator<number, never> {
  for (let ms = Math.min(first, longest); ; ms = Math.min(2 * ms, longest)) yield spread(ms);
}

/**
 * Minus up to a quarter at random, so that many who failed at the same moment do not return at the same
 * moment.
 */
export function spread(ms: number): number {
  return ms * (0.75 + Math.random() / 4);
}
