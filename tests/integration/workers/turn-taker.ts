/**
 * A process that takes turns: once it is told to begin, it takes the lock, works, and gives it back, time
 * and again until the time is over, at least once. Then it tells how that went. Arguments: the client, by
 * its name in clients.ts, or nothing; URL; name of the lock; milliseconds of work; and of all; the limit.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire } from 'dlock-js';
import { clients } from '../../support/clients.js';
import { openStore } from '../../support/stores.js';

const [client = '', url = '', name = '', work = '', duration = '', limit = ''] =
  process.argv.slice(2);

const store = client
  ? (await clients[client as keyof typeof clients](url)).createStore()
  : (await openStore(url)).store;
process.send?.('ready');
await once(process, 'message');

const fences: (number | undefined)[] = [];
/** When each section began and ended, in milliseconds of the epoch, which other processes compare. */
const times: number[] = [];
const ends: number[] = [];
let longestWait = 0;
const end = performance.now() + Number(duration);
do {
  const start = performance.now();
  const lease = await acquire(store, name, { limit: Number(limit) });
  longestWait = Math.max(longestWait, performance.now() - start);
  fences.push(lease.fence);
  times.push(Date.now());
  await delay(Number(work));
  ends.push(Date.now());
  await lease.release();
} while (performance.now() < end);
process.send?.({ fences, times, ends, longestWait }, () => process.exit());
