/** RESULTS.md: the tables, and all that one must know to judge or repeat them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import type { Contestant } from './contestants/contestant.js';
import { measures } from './measures/index.js';
import type { Result } from './measures/measure.js';
import { markdown } from './table.js';

export function report(
  results: ReadonlyMap<string, Result>,
  contestants: readonly Contestant[],
  minutes: number,
  load: string,
): string {
  const parts = [
    '# Results of the bench',
    'Written by `npm run bench`; do not edit. Each measure is a file in [measures](measures), each contestant one in [contestants](contestants).',
    conditions(contestants, minutes, load),
    settings(contestants),
  ];
  for (const [letter, { tables, figures = [] }] of results) {
    parts.push(`## ${measures[letter]?.title}`);
    parts.push(...figures.map(({ file, caption }) => `![${caption}](${file})`));
    parts.push(...tables.map(markdown));
  }
  return `${parts.map((part) => part.trimEnd()).join('\n\n')}\n`;
}

function conditions(contestants: readonly Contestant[], minutes: number, load: string): string {
  const processors = cpus();
  const packages = [...new Set(contestants.flatMap((each) => each.packages))].sort();
  const lines = [
    ['Date', new Date().toISOString().slice(0, 10)],
    ['Duration', `${Math.round(minutes)} minutes`],
    ['Load average of the five minutes before', load],
    [
      'Machine',
      `${processors.length} × ${processors[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    ],
    ['Node.js', process.version],
    ['Redis', firstNumber('redis-server', '--version')],
    ['Memcached', firstNumber('memcached', '--version')],
    ['PostgreSQL', firstNumber('postgres', '--version')],
    ['MariaDB', firstNumber('mariadbd', '--version')],
    ['etcd', firstNumber('etcd', '--version')],
    ['Packages', packages.map((name) => `${name} ${versionOf(name)}`).join(', ')],
  ];
  return `| | |\n| :-- | :-- |\n${lines.map((line) => `| ${line.join(' | ')} |`).join('\n')}`;
}

function settings(contestants: readonly Contestant[]): string {
  const rows = contestants.map(({ name, settings }) => `| ${name} | ${settings} |`);
  return `| contestant | settings |\n| :-- | :-- |\n${rows.join('\n')}`;
}

function firstNumber(command: string, flag: string): string {
  return /\d+(\.\d+)+/.exec(execFileSync(command, [flag], { encoding: 'utf8' }))?.[0] ?? 'unknown';
}

function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  return String(JSON.parse(readFileSync(file, 'utf8')).version).replace(/^v/, '');
}
