/**
 * A process that takes turns: once something comes on its stdin, it takes the lock, works, and gives it back,
 * time and again until the time is over, at least once. Then it tells how that went, as JSON. Arguments: the
 * client, by its name in redis-clients.ts; URL; name of the lock; milliseconds of work; and of all.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { acquire } from 'dlock-js';
import { type Connect, redisClients } from '../../support/redis-clients.js';

const [client = '', url = '', name = '', work = '', duration = ''] = process.argv.slice(2);

const { createStore } = await (redisClients[client] as Connect)(url);
const store = createStore();
console.log('ready');
await new Promise((resolve) => process.stdin.once('data', resolve));

const fences: (number | undefined)[] = [];
let longestWait = 0;
const end = performance.now() + Number(duration);
do {
  const start = performance.now();
  const lease = await acquire(store, name);
  longestWait = Math.max(longestWait, performance.now() - start);
  fences.push(lease.fence);
  await delay(Number(work));
  await lease.release();
} while (performance.now() < end);
console.log(JSON.stringify({ fences, longestWait }));
process.exit();
