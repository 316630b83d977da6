/** Names of random bytes, as an attacker or an accident would make them. */
import { randomBytes } from 'node:crypto';

/** `count` different names for callers: no lone surrogate, no leading NUL, of 1 to 300 characters. */
export function randomNames(count: number): string[] {
  const names = new Set<string>();
  while (names.size < count) {
    const bytes = randomBytes(1 + Math.floor(Math.random() * 300));
    const name = bytes.toString(names.size % 2 ? 'latin1' : 'utf16le').toWellFormed();
    if (!/^(\0|$)/.test(name)) names.add(name);
  }
  return [...names];
}
