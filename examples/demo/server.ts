/**
 * One application server of the demo. Like all the others it wakes for the hourly import;
 * `hourlyImport` and `runImport` are the part to copy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, type LockStore, tryAcquire } from 'dlock-js';
import { type Happening, now, type Report, type Shift, sleepUntil } from './messages.js';
import { openStore } from './store.js';

/**
 * Runs the import of this hour, unless another server does. Who is refused tries again, since the
 * holder may die. `minHold` keeps the lock taken until nobody tries any more, so that an import
 * which is done is not run once more.
 */
async function hourlyImport(store: LockStore, { until, minHold }: Shift): Promise<void> {
  while (now() < until) {
    await using lease = await tryAcquire(store, 'import', { minHold });
    if (lease) {
      await runImport(lease);
      return;
    }
    report({ type: 'refused' });
    await sleep(200);
  }
}

/** Stands for the real import, which must stop when `lease.signal` aborts. */
async function runImport(lease: Lease): Promise<void> {
  report({ type: 'granted', fence: lease.fence });
  await sleep(2_000, undefined, { signal: lease.signal });
  report({ type: 'done' });
}

async function work(store: LockStore, shift: Shift): Promise<void> {
  await sleepUntil(shift.wake);
  report({ type: 'woke' });
  await hourlyImport(store, shift);
  report({ type: 'asleep' });
}

function report(happening: Happening): void {
  process.send?.({ ...happening, at: now() } satisfies Report);
}

// The demo ends its servers, and whatever ends the demo ends them too.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
  const { message, code } = (error.cause ?? error) as NodeJS.ErrnoException;
  report({ type: 'failed', message: message || String(code) });
});

const [url = '', prefix = ''] = process.argv.slice(2);
const store = await openStore(url, prefix);
process.on('message', (shift: Shift) => work(store, shift));
report({ type: 'ready' });
