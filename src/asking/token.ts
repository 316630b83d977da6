/** Tokens: what a store knows a holder by. */
import { randomFillSync } from 'node:crypto';
import v8 from 'node:v8';

const tokenBytes = 16;
/**
 * Random bits are drawn for many tokens at once, which costs a fraction. But those drawn before a
 * startup snapshot would be the same in every process that starts from it; so there, for one alone.
 */
const batch = v8.startupSnapshot?.isBuildingSnapshot?.() ? 1 : 128;
const pool = Buffer.alloc(tokenBytes * batch);
let used = pool.length;

/** 128 fresh random bits, in hexadecimal. */
export function newToken(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += tokenBytes;
  return pool.toString('hex', used - tokenBytes, used);
}
