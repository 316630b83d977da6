/** The options that stores have in common. The core checks the times before every request. */

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

export const defaults = { prefix: 'dlock:', ttl: 30_000, timeout: 5_000 };

/** Checks the one option that only the store can judge. */
export function checkPrefix(prefix: string, allowed: RegExp, rule: string): void {
  if (typeof prefix !== 'string') {
    throw new TypeError(`The prefix of a store must be a string, not ${typeof prefix}`);
  }
  if (allowed.test(prefix)) return;
  throw new RangeError(`The prefix of a store must ${rule}, not ${JSON.stringify(prefix)}`);
}
