/**
 * Measure h: processes that want one lock time and again. What a section costs, and how evenly and how
 * soon each has its turn.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CountingProxy } from '../../tests/support/proxy/counting.js';
import type { Contestant, Session } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { number, type Table } from '../table.js';
import { Worker } from '../workers.js';
import { freshName, proxied } from './crowd.js';
import type { Bench, Figure, Measure } from './measure.js';

const counts = [2, 4, 16, 64];
/** How long the work under the lock takes, in milliseconds. */
const work = 20;
/**
 * For how long they take turns before anything is counted, since all come at once, and first subscribe to what
 * wakes them; and for how long their sections and requests are counted then. In milliseconds.
 */
const runIn = 3_000;
const duration = 10_000;
/** Whoever has had no turn a while after that never will, within what this measure takes. */
const patience = runIn + 15_000;

/** What one process had. */
interface Share {
  readonly sections: number;
  /** From the very start, in milliseconds. */
  readonly longestWait: number;
}

/** What all processes had together. */
interface Outcome {
  readonly shares: readonly Share[];
  /** Undefined: there is no wire. */
  readonly requests: number | undefined;
}

export const turnsMeasure: Measure = {
  title: `h. Processes that loop over one lock: ${work} ms of work, and again`,
  tasks: { takeTurns, warmUp },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes');
    const columns = [
      '',
      'ms a section',
      'requests a section',
      'sections by one process, least to most',
      'longest wait, ms',
    ];
    const outcomes = new Map<Contestant, (Outcome | string)[]>();
    for (const contestant of here) {
      bench.progress(contestant.name);
      outcomes.set(contestant, await outcomesOf(contestant, bench));
    }
    const tables: Table[] = counts.map((count, index) => ({
      title: `${count} processes`,
      text: `For ${duration / 1_000} s, which begin ${runIn / 1_000} s after all came at once; the longest wait is from the very start. Served in turn, each would wait ${(count - 1) * work} ms, and a little for the hand-over. A wait that had not ended ${patience / 1_000} s after the start counts as long as it took until then.`,
      columns,
      rows: [
        ...here.map((each) => rowOf(each.name, outcomes.get(each)?.[index])),
        ...unable.map(({ name, reason }) => [name, reason, '', '', '']),
      ],
    }));
    return { tables, figures: [await plotOf(outcomes)] };
  },
};

/** What a hand-over costs as the fleet grows, and who waits longest. */
async function plotOf(outcomes: ReadonlyMap<Contestant, (Outcome | string)[]>): Promise<Figure> {
  // Not imported above: every worker would load it.
  const { plot } = await import('../plot.js');
  const lines = [...outcomes].map(([{ name }, each]) => {
    const points = each.flatMap((outcome, index) =>
      typeof outcome === 'string' ? [] : [[counts[index] ?? 0, outcome] as const],
    );
    return {
      name,
      time: points.map(([count, { shares }]) => [count, longestOf(shares)] as const),
      requests: points.flatMap(([count, { shares, requests }]) =>
        requests === undefined ? [] : [[count, requests / sectionsOf(shares)] as const],
      ),
    };
  });
  const axes = { count: 'processes', time: 'The longest wait, in milliseconds', shortest: 10 };
  return {
    file: 'turns.svg',
    caption:
      'Requests a section, and the longest wait, over the number of processes that loop over a lock',
    svg: plot(lines, axes),
  };
}

function sectionsOf(shares: readonly Share[]): number {
  return shares.reduce((sum, { sections }) => sum + sections, 0);
}

function longestOf(shares: readonly Share[]): number {
  return Math.max(...shares.map(({ longestWait }) => longestWait));
}

async function outcomesOf(contestant: Contestant, { addresses }: Bench) {
  const way = await proxied(contestant, addresses);
  const outcomes: (Outcome | string)[] = [];
  for (const count of counts) {
    outcomes.push(
      await outcomeOf(contestant, way?.addresses ?? addresses, count, way?.proxy).catch(
        (error: Error) => error.message,
      ),
    );
  }
  await way?.proxy[Symbol.asyncDispose]();
  return outcomes;
}

async function outcomeOf(
  contestant: Contestant,
  addresses: Bench['addresses'],
  count: number,
  proxy: CountingProxy | undefined,
): Promise<Outcome> {
  const workers: Worker[] = [];
  try {
    // A few at a time: a machine on which all start at once takes too long for any.
    while (workers.length < count) {
      const starting = Array.from({ length: Math.min(8, count - workers.length) }, () =>
        Worker.start('h', contestant, addresses),
      );
      workers.push(...(await Promise.all(starting)));
    }
    for (const worker of workers) await worker.ask('warmUp', { name: freshName() });
    const name = freshName();
    const taking = Promise.all(workers.map((worker) => worker.ask<Share>('takeTurns', { name })));
    taking.catch(() => {});
    await sleep(runIn);
    const before = proxy?.commands ?? 0;
    await sleep(duration);
    const requests = proxy && proxy.commands - before;
    return { shares: await taking, requests };
  } finally {
    for (const worker of workers) worker.end();
  }
}

/** The task: resolves when the time is over, and this process does not wait any more. */
async function takeTurns(session: Session, { name }: { name: string }): Promise<Share> {
  const begun = performance.now();
  let [sections, longestWait, asked] = [0, 0, begun];
  const waited = () => Math.max(longestWait, performance.now() - asked);
  const lasts = (ms: number) => performance.now() < begun + ms;
  const turns = async () => {
    while (lasts(runIn + duration)) {
      asked = performance.now();
      await session.section(name, async () => {
        longestWait = waited();
        if (!lasts(runIn) && lasts(runIn + duration)) sections += 1;
        await sleep(work);
      });
      asked = Infinity;
    }
  };
  await Promise.race([turns(), sleep(patience)]);
  return { sections, longestWait: waited() };
}

/** The task: runs all that waiting runs once, so that nobody begins in a cold process. */
async function warmUp(session: Session, { name }: { name: string }): Promise<void> {
  for (let round = 0; round < 3; round++) await session.section(name, () => sleep(1));
}

function rowOf(name: string, outcome: Outcome | string | undefined): string[] {
  if (!outcome || typeof outcome === 'string') return [name, outcome ?? '', '', '', ''];
  const { shares, requests } = outcome;
  const sections = shares.map((share) => share.sections);
  const total = sectionsOf(shares);
  return [
    name,
    number(duration / total),
    requests === undefined ? 'no wire' : number(requests / total),
    `${Math.min(...sections)} to ${Math.max(...sections)}`,
    number(longestOf(shares)),
  ];
}
