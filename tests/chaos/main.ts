/**
 * `npm run chaos [-- redis memcache ...] [--minutes 3] [--svg file]`: lets chaos loose on the stores,
 * one after another, and says what came of it. Exits with 1 if a promise was broken.
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run } from './machine.js';
import { chaos } from './plans.js';
import { figuresOf, printTable, tellViolations } from './report.js';
import { storeKinds } from './stores.js';
import { drawTimeline } from './timeline.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '3' }, svg: { type: 'string' } },
});
const minutes = Number(values.minutes);
const names = positionals.length > 0 ? positionals : Object.keys(storeKinds);
const unknown = names.filter((name) => !(name in storeKinds));
if (unknown.length > 0 || !(minutes > 0)) {
  console.error(
    `usage: npm run chaos [-- ${Object.keys(storeKinds).join(' ')}] [--minutes 3] [--svg file]`,
  );
  process.exit(64);
}

const figures: Record<string, Record<string, string | number>> = {};
for (const name of names) {
  console.error(`${name}: ${minutes} minutes of chaos`);
  const outcome = await run(storeKinds[name] as never, chaos, () => delay(minutes * 60_000));
  figures[name] = figuresOf(outcome);
  if (tellViolations(name, outcome)) process.exitCode = 1;
  if (values.svg) await writeFile(values.svg, drawTimeline(outcome, name));
}
printTable(figures);
