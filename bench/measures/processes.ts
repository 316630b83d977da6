/**
 * Measure c: a burst of waiters on one lock, from several processes; and how soon a release in one
 * process lets the next one in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CountingProxy } from '../../tests/support/proxy/counting.js';
import { openNodeRedis } from '../contestants/clients.js';
import type { Contestant } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { median, spread } from '../statistics.js';
import { number, type Table, withSpread } from '../table.js';
import { bodyTime, freshName, giveBack, Lane, proxied, type Served, serve, take } from './crowd.js';
import { type Bench, interleave, type Measure } from './measure.js';

const processes = 4;
const waiters = 25;
const limit = 8_000;
const timed = 7;
const counted = 2;
/** As in measure b. */
const enough = 4_000;
const handOvers = 15;

interface Entry {
  readonly contestant: Contestant;
  readonly direct: Lane[];
  readonly counted: { lanes: Lane[]; proxy: CountingProxy } | undefined;
  readonly bursts: Burst[];
  readonly requests: number[];
  /** Milliseconds from the release in one process to the section of the next. */
  readonly handOvers: number[];
  failure?: string;
}

/** One burst, over all processes. */
interface Burst {
  readonly duration: number;
  readonly served: number;
  readonly body: number;
}

export const processesMeasure: Measure = {
  title: `c. The same from ${processes} processes of ${waiters} waiters`,
  tasks: { serve, take, giveBack },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes');
    const entries: Entry[] = [];
    for (const contestant of here) entries.push(await entryOf(contestant, bench));
    bench.progress('bursts');
    await interleave(entries, timed, (entry, round) => attempt(entry, () => turn(entry, round)));
    bench.progress('hand-over');
    const client = await openNodeRedis(bench.addresses.redis);
    const roundTrips: number[] = [];
    await interleave(entries, handOvers, async (entry) => {
      await attempt(entry, () => handOver(entry));
      roundTrips.push(await roundTripOf(client));
    });
    await client.close();
    for (const { direct, counted } of entries) {
      for (const lane of [...direct, ...(counted?.lanes ?? [])]) lane.end();
      await counted?.proxy[Symbol.asyncDispose]();
    }
    return { tables: [burstTable(entries, unable), handOverTable(entries, median(roundTrips))] };
  },
};

async function entryOf(contestant: Contestant, { addresses }: Bench): Promise<Entry> {
  const team = (way: typeof addresses) =>
    Array.from({ length: processes }, () => new Lane('c', contestant, way));
  const way = await proxied(contestant, addresses);
  return {
    contestant,
    direct: team(addresses),
    counted: way && { lanes: team(way.addresses), proxy: way.proxy },
    bursts: [],
    requests: [],
    handOvers: [],
  };
}

async function attempt(entry: Entry, run: () => Promise<void>): Promise<void> {
  if (entry.failure) return;
  try {
    await run();
  } catch (error) {
    entry.failure = (error as Error).message;
  }
}

async function turn(entry: Entry, round: number): Promise<void> {
  const spent = entry.bursts.reduce((sum, { duration }) => sum + duration, 0);
  if (spent < enough) entry.bursts.push(await burstOf(entry.direct));
  if (!entry.counted || round >= counted || (round > 0 && spent >= enough)) return;
  const { lanes, proxy } = entry.counted;
  await Promise.all(lanes.map((lane) => lane.warmUp()));
  const before = proxy.commands;
  const { served } = await burstOf(lanes);
  entry.requests.push((proxy.commands - before) / served);
}

async function burstOf(lanes: Lane[]): Promise<Burst> {
  await Promise.all(lanes.map((lane) => lane.warmUp()));
  const crowd = { name: freshName(), waiters, body: bodyTime, limit };
  const parts = await Promise.all(lanes.map((lane) => lane.serve(crowd)));
  const sum = (of: (part: Served) => number) => parts.reduce((total, part) => total + of(part), 0);
  const served = sum(({ order }) => order.length);
  return {
    served,
    duration: Math.max(...parts.map(({ end }) => end)) - Math.min(...parts.map((p) => p.start)),
    body: sum(({ order, body }) => body * order.length) / served,
  };
}

/** One process holds, another waits until it has nothing left to do but wait; then the release. */
async function handOver({ direct, handOvers }: Entry): Promise<void> {
  const [holder, waiter] = direct as [Lane, Lane];
  await holder.warmUp();
  const name = freshName();
  const worker = await holder.worker();
  await worker.ask('take', { name });
  const waiting = waiter.serve({ name, waiters: 1, body: 0, limit });
  await sleep(100 + Math.random() * 200);
  const released = await worker.ask<number>('giveBack');
  handOvers.push((await waiting).entered - released);
}

/** Of a client that was at rest, as those are who hand over: the first request after a rest is slow. */
async function roundTripOf(client: { ping(): Promise<unknown> }): Promise<number> {
  const start = performance.now();
  await client.ping();
  return performance.now() - start;
}

function burstTable(entries: Entry[], unable: { name: string; reason: string }[]): Table {
  return {
    title: `${processes} × ${waiters} at once`,
    text: `As in measure b, from the first request of all processes to the last release of all.`,
    columns: ['', 'ms a section', 'body, ms', '× body', 'requests a section', 'served'],
    rows: [
      ...entries.map(({ contestant, failure, bursts, requests }) => {
        if (failure) return [contestant.name, failure, '', '', '', ''];
        const all = processes * waiters;
        const served = median(bursts.map((each) => each.served));
        return [
          contestant.name,
          withSpread(spread(bursts.map((each) => each.duration / each.served))),
          number(median(bursts.map(({ body }) => body))),
          number(median(bursts.map((each) => each.duration / each.served / each.body))),
          requests.length > 0 ? number(median(requests)) : 'no wire',
          served < all ? `${served} of ${all}` : 'all',
        ];
      }),
      ...unable.map(({ name, reason }) => [name, reason, '', '', '', '']),
    ],
  };
}

function handOverTable(entries: Entry[], roundTrip: number): Table {
  return {
    title: 'From a release to the next process',
    text: `One process holds the lock, one other waits for it; the time from the call of release in the one to the first line under the lock in the other, ${handOvers} times. A PING from a process that was at rest as long takes ${number(roundTrip)} ms here.`,
    columns: ['', 'ms', 'round trips to Redis'],
    rows: entries.map(({ contestant, failure, handOvers }) => [
      contestant.name,
      failure ?? withSpread(spread(handOvers)),
      failure || contestant.server !== 'redis' ? '' : number(median(handOvers) / roundTrip),
    ]),
  };
}
