/**
 * Holds a lock; if it was stopped beyond its ttl, it tells what its lease says before anything else
 * has run, and then what its release says. Arguments: store URL, name, ttl.
 */
import { tryAcquire } from 'dlock-js';
import { openStore } from '../../support/stores.js';

const [url = '', name = '', ttl = ''] = process.argv.slice(2);
const { store, close } = await openStore(url);
const lease = await tryAcquire(store, name, { ttl: Number(ttl) });
if (!lease) throw new Error(`${name} should be free`);

let last = performance.now();
const timer = setInterval(async () => {
  const stopped = performance.now() - last;
  last = performance.now();
  if (stopped < Number(ttl)) return;
  clearInterval(timer);
  const { held, remaining, signal } = lease;
  process.send?.({ held, remaining, aborted: signal.aborted, released: await lease.release() });
  await close();
  process.disconnect();
}, 5);
process.send?.('held');
