/** Tokens: what a store knows a holder by. */
import { randomBytes } from 'node:crypto';
import v8 from 'node:v8';

const tokenBytes = 16;
/**
 * Random bits are drawn for many tokens at once, which costs a fraction. But those drawn before a
 * startup snapshot would be the same in every process that starts from it; so there, for one alone.
 */
const batch = v8.startupSnapshot?.isBuildingSnapshot?.() ? 1 : 128;
const digits = 2 * tokenBytes;
let drawn = '';
let used = 0;

/** 128 fresh random bits, in hexadecimal. */
export function newToken(): string {
  if (used === drawn.length) {
    drawn = randomBytes(tokenBytes * batch).toString('hex');
    used = 0;
  }
  used += digits;
  return drawn.slice(used - digits, used);
}
