/** The options that stores have in common. */

export interface StoreOptions {
  /** Time to live of a lease that names none, in milliseconds. Default: 30 000. */
  ttl?: number;
  /** The longest wait for one answer, in milliseconds. Default: 5 000. */
  timeout?: number;
}

export interface KeyedStoreOptions extends StoreOptions {
  /** What every key of this store begins with. Default: `dlock:`. */
  prefix?: string;
}

/** Fills in the defaults; a TypeError or RangeError says what was received. */
export function readOptions({
  prefix = 'dlock:',
  ttl = 30_000,
  timeout = 5_000,
}: KeyedStoreOptions) {
  if (typeof prefix !== 'string' || !prefix.isWellFormed()) {
    throw new TypeError(
      `The prefix of a store must be a well-formed string, not ${String(prefix)}`,
    );
  }
  for (const [option, ms] of Object.entries({ ttl, timeout })) {
    if (typeof ms !== 'number') {
      throw new TypeError(
        `${option} of a store must be a number of milliseconds, not ${String(ms)}`,
      );
    }
    if (!Number.isSafeInteger(ms) || ms < 1) {
      throw new RangeError(`${option} of a store must be a positive whole number, not ${ms}`);
    }
  }
  return { prefix, ttl, timeout };
}
