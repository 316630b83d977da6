/** Checks of what callers pass in: a TypeError or RangeError shows what was received. */
import { shown } from './shown.js';

type Must = (
  Failure: ErrorConstructor,
  fulfilled: boolean,
  subject: string,
  requirement: string,
  received: unknown,
) => void;

/** Whose arguments are checked, a lock's or a store's. Only a failure asks for the words. */
export type Owner = string | (() => string);

/** What an argument for `owner` must be. */
export function requirements(owner: Owner): Must {
  return (Failure, fulfilled, subject, requirement, received) => {
    if (fulfilled) return;
    throw new Failure(
      `${subject} of ${wordsFor(owner)} must ${requirement}, not ${shown(received)}`,
    );
  };
}

function wordsFor(owner: Owner): string {
  return typeof owner === 'string' ? owner : owner();
}

/** Checks a time in milliseconds; `most` is the limit of the store, where it has one. */
export function checkTime(
  owner: Owner,
  option: string,
  ms: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isInteger(ms) && ms >= least && ms <= most) return ms;
  const must = requirements(owner);
  must(TypeError, typeof ms === 'number', option, 'be a number of milliseconds', ms);
  must(RangeError, false, option, `be a whole number of milliseconds from ${least} to ${most}`, ms);
  return ms;
}

/** Checks how many may hold a lock at once. */
export function checkLimit(owner: Owner, option: string, limit: number): number {
  const must = requirements(owner);
  must(TypeError, typeof limit === 'number', option, 'be a number of holders', limit);
  const isCount = limit === Infinity || (Number.isSafeInteger(limit) && limit >= 1);
  must(RangeError, isCount, option, 'be a whole number, at least 1, or Infinity', limit);
  return limit;
}

/**
 * Checks that `options` is an object with no option but `known`: a misspelt one, or one of another
 * library, must not be ignored. An option that is undefined counts as not given.
 */
export function checkOptions(owner: Owner, options: object, known: readonly string[]): void {
  const isObject = typeof options === 'object' && options !== null;
  requirements(owner)(TypeError, isObject, 'The options', 'be an object', options);
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || known.includes(option)) continue;
    throw new TypeError(
      `Unknown option ${shown(option)} of ${wordsFor(owner)}: it takes ${known.join(', ')}`,
    );
  }
}
