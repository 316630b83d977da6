/**
 * A function of AWS Lambda that EventBridge calls each hour. It delivers an event at least once, so an hour may
 * come twice. Between two calls the machine is frozen: nothing is renewed, and no timer runs.
 */
import { type Lease, once, settled } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';

// Kept for as long as the machine lives, and never closed: the next call uses it, and it reconnects if need be.
const client = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
client.on('error', (error) => console.error(error.message));
const store = new RedisStore(await client.connect());

/** What is needed of `ScheduledEvent` and `Context`, as `@types/aws-lambda` has them. */
export interface ScheduledEvent {
  /** For when it was scheduled, the same in every delivery: `2026-11-24T05:00:00Z`. */
  readonly time: string;
}
export interface Context {
  getRemainingTimeInMillis(): number;
}

export async function handler({ time }: ScheduledEvent, context: Context): Promise<string> {
  const left = context.getRemainingTimeInMillis();
  // Before Lambda ends the call, so that the lock is released.
  const deadline = AbortSignal.timeout(Math.max(left - 1_000, 0));
  // The lease outlasts the call, so there is nothing to renew.
  const options = { ttl: left + 1_000, renew: false, signal: deadline };
  try {
    const outcome = await once(
      store,
      'import',
      time,
      (lease) => work(time, lease, deadline),
      options,
    );
    return outcome.ran ? 'imported' : outcome.reason;
  } finally {
    // Whatever a failed attempt may have been granted is given back now: the background freezes with the rest.
    await settled(store, { wait: 1_000 });
  }
}

/** Awaits everything that it begins: work that outlives the answer freezes half-way, and goes on in the next call. */
async function work(time: string, lease: Lease, deadline: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([lease.signal, deadline]);
  const response = await fetch(`${process.env.ORDERS_URL}?hour=${time}`, { signal });
  const orders = await response.text();
  // A freeze in the middle is noticed here, by the clock, before any timer fires.
  lease.assertHeld();
  await client.set(`orders ${time}`, orders);
}
