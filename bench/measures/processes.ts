/**
 * Measure c: a burst of waiters on one lock, from several processes; and how soon a release in one
 * process lets the next one in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openNodeRedis } from '../contestants/clients.js';
import { able } from '../contestants/index.js';
import { median, spread } from '../statistics.js';
import { number, type Table, withSpread } from '../table.js';
import { burstColumns, burstRow, burstsOf, type Entry, end, entryOf } from './bursts.js';
import { attempt, freshName, giveBack, type Lane, serve, take } from './crowd.js';
import { interleave, type Measure } from './measure.js';

const crew = { processes: 4, waiters: 25 };
const limit = 8_000;
const handOvers = 15;

export const processesMeasure: Measure = {
  title: `c. The same from ${crew.processes} processes of ${crew.waiters} waiters`,
  tasks: { serve, take, giveBack },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes');
    const entries: Entry[] = [];
    for (const contestant of here) entries.push(await entryOf('c', contestant, crew, bench));
    bench.progress('bursts');
    await burstsOf(entries);
    bench.progress('hand-over');
    const client = await openNodeRedis(bench.addresses.redis);
    const roundTrips: number[] = [];
    /** Milliseconds from the release in one process to the section of the next. */
    const times = new Map(entries.map((entry) => [entry, [] as number[]]));
    await interleave(entries, handOvers, async (entry) => {
      await attempt(entry, async () => void times.get(entry)?.push(await handOver(entry)));
      roundTrips.push(await timed(() => client.ping()));
    });
    await client.close();
    for (const entry of entries) await end(entry);
    const table: Table = {
      title: `${crew.processes} × ${crew.waiters} at once`,
      text: `As in measure b, from the first request of all processes to the last release of all.`,
      columns: burstColumns,
      rows: [
        ...entries.map(burstRow),
        ...unable.map(({ name, reason }) => [name, reason, '', '', '', '']),
      ],
    };
    return { tables: [table, handOverTable(times, median(roundTrips))] };
  },
};

/** One process holds, another waits until it has nothing left to do but wait; then the release. */
export async function handOver({ direct }: Entry): Promise<number> {
  const [holder, waiter] = direct as [Lane, Lane];
  await holder.warmUp();
  const name = freshName();
  const worker = await holder.worker();
  await worker.ask('take', { name });
  const waiting = waiter.serve({ name, waiters: 1, body: 0, limit });
  await sleep(100 + Math.random() * 200);
  const released = await worker.ask<number>('giveBack');
  return (await waiting).entered - released;
}

/** Of a client that was at rest, as those are who hand over: the first request after a rest is slow. */
export async function timed(request: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await request();
  return performance.now() - start;
}

function handOverTable(times: ReadonlyMap<Entry, number[]>, roundTrip: number): Table {
  return {
    title: 'From a release to the next process',
    text: `One process holds the lock, one other waits for it; the time from the call of release in the one to the first line under the lock in the other, ${handOvers} times. A PING from a process that was at rest as long takes ${number(roundTrip)} ms here.`,
    columns: ['', 'ms', 'round trips to Redis'],
    rows: [...times].map(([{ contestant, failure }, each]) => [
      contestant.name,
      failure ?? withSpread(spread(each)),
      failure || contestant.server !== 'redis' ? '' : number(median(each) / roundTrip),
    ]),
  };
}
