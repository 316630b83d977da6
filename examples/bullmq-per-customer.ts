/**
 * A worker of BullMQ that handles the orders of a customer in turn, one at a time, and those of different customers
 * at once, on any number of workers. A job only says whose turn it is; which order is next is read under the lock,
 * so that an order that failed and is retried keeps its place.
 *
 * BullMQ's own features are better where they fit: `setGlobalConcurrency(1)` for a queue that is worked off one by one,
 * a `limiter` for so many jobs a second; and the groups of BullMQ Pro, with a concurrency of 1, do just this.
 */
import { type ConnectionOptions, DelayedError, type Job, Worker } from 'bullmq';
import { type Lease, type LockStore, locked } from 'dlock-js';

export interface Orders {
  /** The oldest order of the customer that is not done. */
  next(customer: string): Promise<string | undefined>;
  /** Handles it, and notes it as done; must stop when `signal` aborts. */
  handle(order: string, signal: AbortSignal): Promise<void>;
}

/** Each order of a customer is a job in this queue: `queue.add('turn', { customer }, { attempts: 5 })`. */
export function startWorker(
  store: LockStore,
  orders: Orders,
  connection: ConnectionOptions,
): Worker<{ customer: string }> {
  return new Worker<{ customer: string }>(
    'orders',
    async (job, token) => {
      const { customer } = job.data;
      const takeTurn = async ({ signal }: Lease) => {
        const order = await orders.next(customer);
        if (order !== undefined) await orders.handle(order, signal);
      };
      // A short wait, during which the job keeps its slot in the worker; after that the slot is for another customer.
      const outcome = await locked(store, `customer ${customer}`, takeTurn, { wait: 2_000 });
      if (!outcome.ran) await comeAgain(job, token);
    },
    { connection, concurrency: 20 },
  );
}

/** Not a failure: it uses up no attempt. */
async function comeAgain(job: Job, token?: string): Promise<never> {
  await job.moveToDelayed(Date.now() + 1_000, token);
  throw new DelayedError();
}
