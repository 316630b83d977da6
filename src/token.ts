/** Tokens: what a store knows a holder by. */
import { randomFillSync } from 'node:crypto';

const tokenBytes = 16;
const pool = Buffer.alloc(tokenBytes * 128);
let used = pool.length;

/** 128 fresh random bits, in hexadecimal. Drawn from a pool: the system is asked once for many. */
export function newToken(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += tokenBytes;
  return pool.toString('hex', used - tokenBytes, used);
}
