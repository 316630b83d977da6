/**
 * A worker that SIGTERM ends in good order: whatever it runs under a lease stops, the leases are
 * released, and the process ends. Run it with `npx tsx examples/graceful-shutdown.ts`, and press Ctrl-C.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, type LockStore, locked, settled } from 'dlock-js';
import { FileStore } from 'dlock-js/file';

/** Aborts when the process is asked to end. */
function shutdownSignal(): AbortSignal {
  const shutdown = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // Only once: a second Ctrl-C ends the process at once.
    process.once(signal, () => shutdown.abort(new Error(`Ended by ${signal}`)));
  }
  return shutdown.signal;
}

/** Does one piece of work after the other, each under a lease, until `shutdown` aborts. */
async function work(store: LockStore, name: string, shutdown: AbortSignal): Promise<void> {
  const body = async (lease: Lease) => {
    console.log(`${name}: working`);
    await doWork(AbortSignal.any([lease.signal, shutdown]));
  };
  try {
    // The option ends the wait for the lock. A lease that is held already lasts until its body ends.
    for (;;) await locked(store, name, body, { wait: Infinity, signal: shutdown });
  } catch (error) {
    if (error !== shutdown.reason) throw error;
    console.log(`${name}: stopped`);
  }
}

/** Stands for the real work, which must end soon after `signal` aborts, with its reason. */
async function doWork(signal: AbortSignal): Promise<void> {
  await sleep(60_000, undefined, { signal }).catch(() => signal.throwIfAborted());
}

const store = new FileStore(process.argv[2] ?? 'locks');
const shutdown = shutdownSignal();
await Promise.all(['invoices', 'reports'].map((name) => work(store, name, shutdown)));
// Every body has ended, and every lease is released. A wait that was ended may still get the lock that
// it asked for, which is then given back.
await settled(store, { wait: 2_000 });
// Now close the clients of the stores.
console.log('bye');
