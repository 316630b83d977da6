/** What a run ends with when the library does not keep what it promises. */

/** A promise of the library that a run has broken. */
export class Violation extends Error {
  readonly promise: string;

  constructor(promise: string, details: string) {
    super(`${promise}: ${details}`);
    this.promise = promise;
  }
}

export function must(holds: boolean, promise: string, details: string): asserts holds {
  if (!holds) throw new Violation(promise, details);
}
