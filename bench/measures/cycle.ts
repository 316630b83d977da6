/**
 * Measure a: what it costs to take a free lock and to give it back, one after another and 100 at
 * once, beside the bare client. All contestants run in this process, in small blocks that take
 * turns, and are compared within each round: what else the machine does hits all alike.
 */

import type { Contestant, Session } from '../contestants/contestant.js';
import { contestants } from '../contestants/index.js';
import { median, spread } from '../statistics.js';
import { number, type Table, withSpread } from '../table.js';
import { type Bench, interleave, type Measure } from './measure.js';

const atOnce = 100;

/** How much is asked of a server. */
export interface Effort {
  readonly rounds: number;
  /** In each round; a multiple of what is asked at once. */
  readonly cycles: number;
}

export const cycle: Measure = {
  title: 'a. An uncontended cycle: take a free lock, give it back',
  tasks: {},
  async run(bench) {
    const tables: Table[] = [];
    for (const server of ['redis', 'memcached'] as const) {
      const here = contestants.filter((each) => each.server === server || each.server === 'none');
      tables.push(...(await cyclesOf(bench, server, here, { rounds: 100, cycles: 200 })));
    }
    return { tables };
  },
};

/** A table for each pattern, of contestants on one server. */
export async function cyclesOf(
  bench: Bench,
  server: string,
  here: readonly Contestant[],
  effort: Effort,
): Promise<Table[]> {
  const patterns = [
    ['one after another', oneAfterAnother],
    [`${atOnce} at once`, manyAtOnce],
  ] as const;
  const tables: Table[] = [];
  for (const [pattern, block] of patterns) {
    const title = `${server}, ${pattern}`;
    bench.progress(title);
    tables.push(tableOf(title, here, await compare(bench, here, block, effort), effort));
  }
  return tables;
}

type Block = (session: Session, cycles: number) => Promise<void>;

async function oneAfterAnother(session: Session, cycles: number): Promise<void> {
  for (let i = 0; i < cycles; i++) await session.cycle('cycle');
}

const names = Array.from({ length: atOnce }, (_, i) => `cycle-${i}`);

async function manyAtOnce(session: Session, cycles: number): Promise<void> {
  for (let i = 0; i < cycles; i += atOnce) {
    await Promise.all(names.map((name) => session.cycle(name)));
  }
}

/** What one round cost a contestant, a cycle, in microseconds: by the clock, and of our processor. */
interface Cost {
  readonly wall: number;
  readonly processor: number;
}

type Costs = ReadonlyMap<Contestant, Cost[]>;

async function compare(
  { addresses }: Bench,
  here: readonly Contestant[],
  block: Block,
  { rounds, cycles }: Effort,
): Promise<Costs> {
  const sessions = new Map<Contestant, Session>();
  for (const contestant of here) sessions.set(contestant, await contestant.open(addresses));
  const costs = new Map(here.map((contestant) => [contestant, [] as Cost[]]));
  const warmUp = Math.ceil(rounds / 10);
  await interleave(here, warmUp + rounds, async (contestant, round) => {
    const cost = await costOf(cycles, () => block(sessions.get(contestant) as Session, cycles));
    if (round >= warmUp) costs.get(contestant)?.push(cost);
  });
  for (const session of sessions.values()) await session.close();
  return costs;
}

async function costOf(cycles: number, run: () => Promise<void>): Promise<Cost> {
  // So that each pays for its own garbage. Not a full collection: that would throw away compiled code.
  globalThis.gc?.({ type: 'minor' });
  const before = process.cpuUsage();
  const start = performance.now();
  await run();
  const wall = (performance.now() - start) * 1_000;
  const { user, system } = process.cpuUsage(before);
  return { wall: wall / cycles, processor: (user + system) / cycles };
}

function tableOf(
  title: string,
  here: readonly Contestant[],
  costs: Costs,
  { rounds, cycles }: Effort,
): Table {
  const rows = here.map((contestant) => {
    const own = costs.get(contestant) ?? [];
    const limit = here.find(({ name }) => name === contestant.limit);
    const ratios = limit && own.map(({ wall }, i) => (costs.get(limit)?.[i]?.wall ?? 0) / wall);
    return [
      contestant.name,
      withSpread(spread(own.map(({ wall }) => wall))),
      number(median(own.map(({ processor }) => processor))),
      ratios ? withSpread(spread(ratios)) : '',
    ];
  });
  return {
    title,
    text: `${rounds} rounds of ${cycles} cycles each, all contestants in turn; medians, and in brackets the middle half of the rounds. The speed beside the bare client of the same kind is taken within each round.`,
    columns: ['', 'µs a cycle', 'µs of our processor', 'speed, bare client = 1'],
    rows,
  };
}
