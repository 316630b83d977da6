/** The options that stores have in common: their defaults and limits, checked when a store is made. */
import { checkOptions, checkTime, requirements } from '../base/arguments.js';

export interface StoreOptions {
  /** Time to live of a lease that specifies none, in milliseconds. Default: 30 000, or the store's limit. */
  ttl?: number | undefined;
  /** The longest wait for one answer, in milliseconds. Default: 5 000. */
  timeout?: number | undefined;
}

export interface KeyedStoreOptions extends StoreOptions {
  /** What every key of this store begins with; may be empty. Default: `dlock:`. */
  prefix?: string | undefined;
}

export const defaults = { prefix: 'dlock:', ttl: 30_000, timeout: 5_000 };

/**
 * The prefixes of stores whose keys are text in UTF-8, in which a lone surrogate would be another's; what begins with
 * NUL is Dlock's own.
 */
export const textPrefixes = {
  allowed: /^(?!\0)\P{Cs}*$/u,
  rule: 'be well-formed and not begin with NUL',
};

/** What a kind of store can represent. */
export interface Limits {
  readonly maxTtl?: number | undefined;
  /** The prefixes that it takes, and what to say of others. Absent: it takes no prefix. */
  readonly prefix?: { readonly allowed: RegExp; readonly rule: string };
  /** Options that it takes besides, and checks itself. */
  readonly others?: readonly string[];
}

/**
 * The options of a store, with its defaults.
 *
 * @param store the name of its class, for messages.
 * @throws TypeError for an option that does not exist or is of another type.
 * @throws RangeError for a time or a prefix outside the limits.
 */
export function readOptions(
  store: string,
  options: KeyedStoreOptions = {},
  { maxTtl = Number.MAX_SAFE_INTEGER, prefix: prefixes, others = [] }: Limits = {},
): typeof defaults {
  const known = [...(prefixes ? ['prefix'] : []), 'ttl', 'timeout', ...others];
  checkOptions(store, options, known);
  const { prefix = defaults.prefix, timeout = defaults.timeout } = options;
  const { ttl = Math.min(defaults.ttl, maxTtl) } = options;
  checkTime(store, 'ttl', ttl, 1, maxTtl);
  checkTime(store, 'timeout', timeout, 1);
  const must = requirements(store);
  must(TypeError, typeof prefix === 'string', 'prefix', 'be a string', prefix);
  must(RangeError, prefixes?.allowed.test(prefix) ?? true, 'prefix', `${prefixes?.rule}`, prefix);
  return { prefix, ttl, timeout };
}
