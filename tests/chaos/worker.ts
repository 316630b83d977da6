/**
 * One of the processes that contend for a few locks, each in several loops at once, and write down
 * what they see of their leases. Argument: its orders. It ends by itself once told to stop.
 */
import { setTimeout as delay } from 'node:timers/promises';
import {
  AcquireTimeoutError,
  acquire,
  type Lease,
  StoreError,
  subscribe,
  tryAcquire,
} from 'dlock-js';
import { altered } from '../../src/testing/fixture.js';
import { openStore } from '../support/stores.js';
import { processGauges } from './gauges.js';
import { commonTime, Journal } from './journal.js';

export interface Orders {
  readonly url: string;
  readonly journal: string;
  readonly locks: readonly string[];
  /** How many may hold a lock at once, each as likely; null, which is what JSON makes of Infinity: any number. */
  readonly limits: readonly (number | null)[];
  /** Loops, each of which takes one lock at a time. */
  readonly contenders: number;
  /** The longest rest of a loop between two leases, in milliseconds. */
  readonly rest: number;
  /** Of the leases, and for an answer of the store; in milliseconds. */
  readonly ttl: number;
  readonly timeout: number;
  /** Whether each lease is renewed: then one that is lost is lost by a fault. */
  readonly renewed?: boolean | undefined;
}

export type Message = 'stop' | 'gauges';

const orders = JSON.parse(process.argv[2] ?? '') as Orders;
const { ttl } = orders;
const journal = new Journal(orders.journal);
const { store: opened, close } = await openStore(orders.url, orders.timeout);
const store = altered(opened, { timeout: orders.timeout });

/** The leases of this process, by what events call them. */
const held = new Map<string, { lease: Lease; attempt: number }>();

/** Called in the turn in which the lease takes its new deadline: nobody can have looked at it yet. */
subscribe('renewed', ({ token }) => {
  const known = held.get(token);
  if (!known) return;
  const at = commonTime();
  const { lease, attempt } = known;
  journal.write({ event: 'renewed', at, attempt, until: at + lease.remaining });
});

subscribe('store-error', ({ operation }) => {
  journal.write({ event: 'store-error', at: commonTime(), attempt: 0, operation });
});

/** The ways to ask for a lock, and how long to hold it: all equally likely. */
const ways: ((lock: string, limit: number) => Promise<Lease | null>)[] = [
  (lock, limit) => tryAcquire(store, lock, { ttl, limit }),
  (lock, limit) => acquire(store, lock, { ttl, limit, wait: upTo(3 * ttl) }),
  (lock, limit) => acquire(store, lock, { ttl, limit, wait: upTo(3 * ttl), renew: false }),
  (lock, limit) => acquire(store, lock, { ttl, limit, signal: AbortSignal.timeout(upTo(3 * ttl)) }),
];
const chosen = orders.renewed ? ways.slice(0, 2) : ways;
/** Many short bodies; and some longer than the ttl, which need renewals. */
const bodies = [20, 50, 100, ttl / 2, 3 * ttl];

let running = true;
let attempts = 0;

async function contend(): Promise<void> {
  while (running) {
    await attempt(oneOf(orders.locks), oneOf(orders.limits) ?? Infinity);
    await delay(upTo(orders.rest));
  }
}

async function attempt(lock: string, limit: number): Promise<void> {
  attempts += 1;
  const attempt = attempts;
  journal.write({ event: 'requested', at: commonTime(), attempt, lock, limit });
  let lease: Lease | null;
  try {
    lease = await oneOf(chosen)(lock, limit);
  } catch (error) {
    journal.write({ event: verdictOn(error), at: commonTime(), attempt });
    return;
  }
  if (lease) await hold(lease, attempt);
  else journal.write({ event: 'refused', at: commonTime(), attempt });
}

async function hold(lease: Lease, attempt: number): Promise<void> {
  const granted = commonTime();
  const until = granted + lease.remaining;
  journal.write({ event: 'granted', at: granted, attempt, until, fence: lease.fence });
  let seen = granted;
  const tellLoss = () => journal.write({ event: 'lost', at: commonTime(), attempt, seen });
  if (lease.signal.aborted) tellLoss();
  else lease.signal.addEventListener('abort', tellLoss);

  const name = lease.token.slice(0, 8);
  held.set(name, { lease, attempt });
  const end = granted + upTo(oneOf(bodies));
  for (let at = granted; lease.held; at = commonTime()) {
    seen = at;
    if (at >= end) {
      journal.write({ event: 'released', at, attempt });
      break;
    }
    await delay(Math.min(10, end - at));
  }
  held.delete(name);
  await lease.release().catch(verdictOn);
}

/** What an attempt without a lease comes to; any other error is nothing that a lock may throw. */
function verdictOn(error: unknown): 'failed' | 'refused' | 'aborted' {
  if (error instanceof StoreError) return 'failed';
  if (error instanceof AcquireTimeoutError) return 'refused';
  if ((error as Error).name === 'TimeoutError') return 'aborted';
  throw error;
}

/** A whole number, at least 0, less than `most`. */
function upTo(most: number): number {
  return Math.floor(Math.random() * most);
}

function oneOf<T>(choices: readonly T[]): T {
  return choices[upTo(choices.length)] as T;
}

process.once('disconnect', () => {
  if (running) process.exit(1); // who gave the orders is dead
});
process.on('message', (message: Message) => {
  if (message === 'gauges') process.send?.(processGauges());
  else running = false;
});
await Promise.all(Array.from({ length: orders.contenders }, contend));
await close();
// A client that is asked once more in the background may open a connection again, and keep it.
process.exit();
