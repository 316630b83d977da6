/**
 * `npm run chaos [-- redis memcache ...] [--together | --svg file] [--minutes 3]`: lets chaos loose on the
 * stores, one after another, and says what came of it. `--together`: on those that let in several at once,
 * among workers with different limits. Exits with 1 if a promise was broken.
 */
import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { run } from './machine.js';
import { chaos, together } from './plans.js';
import { figuresOf, printTable, tellViolations } from './report.js';
import { storeKinds } from './stores.js';
import { drawTimeline } from './timeline.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    together: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '3' },
    svg: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
const plan = values.together ? together : chaos;
const kinds = Object.entries(storeKinds);
const able = kinds.filter(([, { limits }]) => limits || !values.together).map(([name]) => name);
const names = positionals.length > 0 ? positionals : able;
const unable = names.filter((name) => !able.includes(name));
if (unable.length > 0 || !(minutes > 0) || (values.together && values.svg)) {
  console.error(
    `usage: npm run chaos [-- ${able.join(' ')}] [--together | --svg file] [--minutes 3]`,
  );
  process.exit(64);
}

const figures: Record<string, Record<string, string | number>> = {};
for (const name of names) {
  console.error(`${name}: ${minutes} minutes of chaos`);
  const outcome = await run(storeKinds[name] as never, plan, () => delay(minutes * 60_000));
  figures[name] = figuresOf(outcome);
  if (tellViolations(name, outcome)) process.exitCode = 1;
  if (values.svg) await writeFile(values.svg, drawTimeline(outcome, name));
}
printTable(figures);
