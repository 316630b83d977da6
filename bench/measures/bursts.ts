/** Bursts of waiters from several processes at once: what the measures c and i have in common. */
import type { CountingProxy } from '../../tests/support/proxy/counting.js';
import type { Contestant } from '../contestants/contestant.js';
import { median, spread } from '../statistics.js';
import { number, withSpread } from '../table.js';
import { attempt, bodyTime, freshName, Lane, proxied, type Served } from './crowd.js';
import { type Bench, interleave } from './measure.js';

const limit = 8_000;
const timed = 7;
const counted = 2;
/** As in measure b. */
const enough = 4_000;

/** Who waits, and for what. */
export interface Crew {
  readonly processes: number;
  readonly waiters: number;
  /** How many are let in at once; absent: one, by the plain lock. */
  readonly places?: number;
}

/** A contestant's processes: some beside its server, others behind a proxy if there is a wire. */
export interface Entry {
  readonly contestant: Contestant;
  readonly crew: Crew;
  readonly direct: Lane[];
  readonly counted: { lanes: Lane[]; proxy: CountingProxy } | undefined;
  readonly bursts: Burst[];
  readonly requests: number[];
  failure?: string;
}

/** One burst, over all processes. */
interface Burst {
  readonly duration: number;
  readonly served: number;
  readonly body: number;
}

export async function entryOf(
  letter: string,
  contestant: Contestant,
  crew: Crew,
  { addresses }: Bench,
): Promise<Entry> {
  const team = (way: typeof addresses) =>
    Array.from({ length: crew.processes }, () => new Lane(letter, contestant, way));
  const way = await proxied(contestant, addresses);
  return {
    contestant,
    crew,
    direct: team(addresses),
    counted: way && { lanes: team(way.addresses), proxy: way.proxy },
    bursts: [],
    requests: [],
  };
}

export function burstsOf(entries: readonly Entry[]): Promise<void> {
  return interleave(entries, timed, (entry, round) => attempt(entry, () => turn(entry, round)));
}

async function turn(entry: Entry, round: number): Promise<void> {
  const spent = entry.bursts.reduce((sum, { duration }) => sum + duration, 0);
  if (spent < enough) entry.bursts.push(await burstOf(entry.direct, entry.crew));
  if (!entry.counted || round >= counted || (round > 0 && spent >= enough)) return;
  const { lanes, proxy } = entry.counted;
  await Promise.all(lanes.map((lane) => lane.warmUp()));
  const before = proxy.commands;
  const { served } = await burstOf(lanes, entry.crew);
  entry.requests.push((proxy.commands - before) / served);
}

async function burstOf(lanes: Lane[], { waiters, places }: Crew): Promise<Burst> {
  await Promise.all(lanes.map((lane) => lane.warmUp()));
  const crowd = { name: freshName(), waiters, body: bodyTime, limit, places };
  const parts = await Promise.all(lanes.map((lane) => lane.serve(crowd)));
  const sum = (of: (part: Served) => number) => parts.reduce((total, part) => total + of(part), 0);
  const served = sum(({ order }) => order.length);
  return {
    served,
    duration: Math.max(...parts.map(({ end }) => end)) - Math.min(...parts.map((p) => p.start)),
    body: sum(({ order, body }) => body * order.length) / served,
  };
}

export const burstColumns = [
  '',
  'ms a section',
  'body, ms',
  '× body',
  'requests a section',
  'served',
];

export function burstRow({ contestant, crew, failure, bursts, requests }: Entry): string[] {
  if (failure) return [contestant.name, failure, '', '', '', ''];
  const all = crew.processes * crew.waiters;
  const served = median(bursts.map((each) => each.served));
  return [
    contestant.name,
    withSpread(spread(bursts.map((each) => each.duration / each.served))),
    number(median(bursts.map(({ body }) => body))),
    number(median(bursts.map((each) => each.duration / each.served / each.body))),
    requests.length > 0 ? number(median(requests)) : 'no wire',
    served < all ? `${served} of ${all}` : 'all',
  ];
}

export async function end({ direct, counted }: Entry): Promise<void> {
  for (const lane of [...direct, ...(counted?.lanes ?? [])]) lane.end();
  await counted?.proxy[Symbol.asyncDispose]();
}
