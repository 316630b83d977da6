/** A lease on its way from one process to another. */
import { checkLimit, checkTime, requirements } from '../base/arguments.js';
import { lockNamed } from '../base/names.js';

/**
 * What `handOver` returns and `adopt` takes: plain JSON. Anyone who knows it can keep the lock or give it
 * back. It contains no deadline, since clocks differ: `adopt` asks the store.
 */
export interface LeaseTicket {
  /** The name of the lock. */
  readonly name: string;
  /** Identifies the holder to the store. */
  readonly token: string;
  /** In milliseconds. */
  readonly ttl: number;
  /** The fence of the lease, where the store has fences. */
  readonly fence?: number | undefined;
  /** The limit of the lease, unless it holds the lock alone. `Infinity` travels as `null`, as JSON has it. */
  readonly limit?: number | undefined;
}

/** Checks what came from another process. The token is a secret, and in no message. */
export function readTicket(ticket: LeaseTicket): LeaseTicket {
  const { name, token, ttl, fence, limit = 1 } = ticket ?? {};
  const lock = lockNamed(name);
  const must = requirements(lock);
  const isToken = typeof token === 'string' && /^[0-9a-f]{32}$/.test(token);
  must(TypeError, isToken, 'The token in the ticket', 'be what handOver gave', typeof token);
  checkTime(lock, 'The ttl in the ticket', ttl, 1);
  const isFence = fence === undefined || Number.isSafeInteger(fence);
  must(TypeError, isFence, 'The fence in the ticket', 'be a whole number', fence);
  return {
    name,
    token,
    ttl,
    fence,
    limit: checkLimit(lock, 'The limit in the ticket', limit ?? Infinity),
  };
}
