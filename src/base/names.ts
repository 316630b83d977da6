/** The names of locks: what callers may choose, what is the library's own, and how messages show them. */
import { shown } from './shown.js';

/**
 * A name that begins with NUL is the library's own, out of reach of every caller. That of a period
 * begins with two: without a prefix it is then no key under which Redis keeps a fence, which begins
 * with one more NUL than the key of its lock.
 */
const ofPeriod = '\0\0';

/** @throws TypeError for what cannot be the name of a caller's lock. */
export function checkName(name: unknown): asserts name is string {
  const isText = typeof name === 'string' && name !== '' && name.isWellFormed();
  if (!isText) {
    throw new TypeError(
      `The name of a lock must be a non-empty, well-formed string, not ${shown(name)}`,
    );
  }
  if (name.startsWith('\0')) {
    throw new TypeError(`The name of a lock must not begin with NUL, as ${shown(name)} does`);
  }
}

/** The lock that stands for one period of the lock `name`. No two pairs have the same. */
export function periodLock(name: string, period: string): string {
  return ofPeriod + JSON.stringify([name, period]);
}

/** What the caller asked for: a lock, or a period of it. */
export function partsOf(name: string): { lock: string; period?: string } {
  if (!name.startsWith(ofPeriod)) return { lock: name };
  try {
    const [lock, period] = JSON.parse(name.slice(ofPeriod.length));
    return { lock, period };
  } catch {
    return { lock: name }; // a caller's, about to be refused
  }
}

/** A lock as messages name it: quoted, control characters escaped, not endlessly long. */
export function lockNamed(name: unknown, period?: string): string {
  const isPeriod = typeof name === 'string' && name.startsWith(ofPeriod);
  const parts = isPeriod ? partsOf(name) : { lock: name, period };
  return `lock ${shown(parts.lock)}${parts.period === undefined ? '' : `, period ${shown(parts.period)}`}`;
}
