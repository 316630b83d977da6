/**
 * Runs the measures named on the command line, or all of them, and prints their tables. Only a run of
 * all, with all contestants, writes RESULTS.md and the plot: its figures are of one hour and one state
 * of the code.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { temporaryDirectory } from '../tests/support/servers/directories.js';
import { engines } from './contestants/engines.js';
import { contestants } from './contestants/index.js';
import { measures } from './measures/index.js';
import type { Result } from './measures/measure.js';
import { report } from './report.js';
import { startMemcached, startRedis } from './servers.js';
import { markdown } from './table.js';

const chosen = process.argv.slice(2);
for (const letter of chosen) {
  if (!measures[letter]) {
    console.error(`There is no measure ${letter}; there are ${Object.keys(measures).join(', ')}.`);
    process.exit(64);
  }
}

const [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
const addresses = { redis: redis.port, memcached: memcached.port, directory: temporaryDirectory() };
const began = performance.now();
const load = (loadavg()[1] ?? 0).toFixed(1);
const results = new Map<string, Result>();
for (const [letter, measure] of Object.entries(measures)) {
  if (chosen.length > 0 && !chosen.includes(letter)) continue;
  const progress = (text: string) => {
    const seconds = Math.round((performance.now() - began) / 1_000);
    console.error(`${String(seconds).padStart(4)} s  ${letter}  ${text}`);
  };
  progress(measure.title);
  const result = await measure.run({ addresses, progress });
  results.set(letter, result);
  console.log(`## ${measure.title}\n\n${result.tables.map(markdown).join('\n')}`);
}

const isWhole = results.size === Object.keys(measures).length;
if (isWhole && !process.env.DLOCK_BENCH_CONTESTANTS) {
  // This file runs as built, two levels below the package.
  const place = (file: string) => new URL(`../../${file}`, import.meta.url);
  const minutes = (performance.now() - began) / 60_000;
  writeFileSync(place('RESULTS.md'), report(results, [...contestants, ...engines], minutes, load));
  for (const { figures = [] } of results.values()) {
    for (const { file, svg } of figures) writeFileSync(place(file), svg);
  }
}
process.exit();
