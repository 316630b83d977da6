/**
 * `npm run soak [-- redis|memcache|file|quorum] [--minutes 30]`: many locks, many processes and
 * faults, for long; memory and handles are sampled, and must be flat. Exits with 1 if they are not,
 * or if a promise was broken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Stage } from './faults.js';
import { run } from './machine.js';
import { soak } from './plans.js';
import { figuresOf, printTable, tellViolations } from './report.js';
import { type Gauges, storeKinds } from './stores.js';

/** Of a run: enough to see a slope, and few enough to read. */
const samplesInRun = 30;

/**
 * What may differ from the first third of the samples to the last: a part, since no two samples are
 * alike, and a little more where the figures are small.
 */
const tolerance = { part: 0.1, rest: 3 };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '30' } },
});
const minutes = Number(values.minutes);
const name = positionals[0] ?? 'redis';
const kind = storeKinds[name];
if (!kind || !(minutes > 0)) {
  console.error(`usage: npm run soak [-- ${Object.keys(storeKinds).join('|')}] [--minutes 30]`);
  process.exit(64);
}

const samples: Gauges[] = [];

/** Whoever may be killed is too young to have leaked. */
async function sample({ crew, scene, posts, mortals }: Stage): Promise<void> {
  const pause = (minutes * 60_000) / samplesInRun;
  for (let count = 0; count < samplesInRun; count++) {
    await delay(pause);
    const old = posts.filter((post) => !mortals.includes(post));
    const gauges = { ...(await crew.gauges(old)), ...(await scene.gauges()) };
    samples.push(gauges);
    console.error(JSON.stringify(gauges));
  }
}

const outcome = await run(kind, soak, sample);
printTable({ [name]: figuresOf(outcome) });
if (tellViolations(name, outcome)) process.exitCode = 1;

console.log('\n| | first third | last third | |\n| --- | --: | --: | --- |');
for (const gauge of Object.keys(samples[0] ?? {})) {
  const first = mean(samples.slice(0, samplesInRun / 3), gauge);
  const last = mean(samples.slice(-samplesInRun / 3), gauge);
  const flat = last <= first * (1 + tolerance.part) + tolerance.rest;
  if (!flat) process.exitCode = 1;
  console.log(
    `| ${gauge} | ${first.toFixed(0)} | ${last.toFixed(0)} | ${flat ? 'flat' : 'GROWS'} |`,
  );
}

function mean(some: Gauges[], gauge: string): number {
  return some.reduce((total, gauges) => total + (gauges[gauge] ?? 0), 0) / some.length;
}
