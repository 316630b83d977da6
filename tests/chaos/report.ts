/** What came of a run, in figures and in words. */
import type { FaultKind } from './faults.js';
import { type History, mostAtOnce } from './history.js';
import type { Plan, Run } from './machine.js';

type Figures = Record<string, string | number>;

export function figuresOf({
  plan,
  history,
  faults,
  from,
  until,
  violations,
  mishaps,
}: Run): Figures {
  const { counts, leases } = history;
  const inflicted = (...kinds: FaultKind[]) =>
    faults.filter(({ kind }) => kinds.includes(kind)).length;
  const broken = (rule: string) => violations.filter((violation) => violation.rule === rule).length;
  return {
    minutes: ((until - from) / 60_000).toFixed(1),
    workers: plan.workers,
    locks: plan.locks,
    'asked for a lease': counts.requested,
    granted: counts.granted,
    ...grantsByLimit(plan, history),
    renewed: counts.renewed,
    lost: counts.lost,
    'left by the dead': leases.filter(({ ending }) => ending === undefined).length,
    'errors of the store': counts['store-error'],
    'workers killed': inflicted('worker killed'),
    'workers frozen': inflicted('worker frozen'),
    'servers frozen': inflicted('server frozen'),
    'connections cut, servers unreachable': inflicted('connection cut', 'all cut', 'unreachable'),
    'valid leases that overlap': broken('overlap'),
    'valid leases beyond a limit': broken('limit'),
    'fences out of order': broken('fence'),
    mishaps: mishaps.length,
  };
}

/** Where not everybody wants a lock alone. */
function grantsByLimit({ limits }: Plan, history: History): Figures {
  if (limits.length === 1) return {};
  const figures: Figures = {};
  for (const limit of limits) {
    const granted = history.leases.filter((lease) => lease.limit === limit);
    figures[`granted with a limit of ${limit}`] = granted.length;
  }
  return { ...figures, 'most valid leases at once': mostAtOnce(history) };
}

/** Prints a column for each run. */
export function printTable(figures: Record<string, Figures>): void {
  const [first = {}] = Object.values(figures);
  const rows = Object.keys(first).map((figure) => [
    figure,
    ...Object.values(figures).map((column) => String(column[figure] ?? '')),
  ]);
  const lines = [
    ['', ...Object.keys(figures)],
    ['---', ...Object.keys(figures).map(() => '--:')],
    ...rows,
  ];
  for (const line of lines) console.log(`| ${line.join(' | ')} |`);
}

/** Tells what was broken, and where the journals are; false: nothing was. */
export function tellViolations(name: string, { violations, mishaps, journals }: Run): boolean {
  if (!journals) return false;
  for (const { rule, earlier, later } of violations.slice(0, 10)) {
    console.error(`${name}: ${rule}`, earlier, later);
  }
  for (const mishap of mishaps) console.error(`${name}: ${mishap}`);
  console.error(`${name}: the journals are in ${journals}`);
  return true;
}
