/** What could grow in a process that leaks. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Gauges } from './stores.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

export function processGauges(): Gauges {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return {
    'heap, kB': Math.round(heapUsed / 1_024),
    'rss, kB': Math.round(rss / 1_024),
    resources: process.getActiveResourcesInfo().length,
    'open files': readdirSync('/proc/self/fd').length,
  };
}
