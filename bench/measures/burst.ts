/**
 * Measure b: a burst of waiters on one lock, in one process. What a section takes, how many requests
 * it costs, and whether who came first is served first; also over the number of waiters, for the plot.
 */

import type { CountingProxy } from '../../tests/support/proxy/counting.js';
import type { Contestant } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { inversions, median, spread } from '../statistics.js';
import { number, type Table, withSpread } from '../table.js';
import { attempt, bodyTime, Lane, proxied, type Served, serve } from './crowd.js';
import { type Bench, type Figure, interleave, type Measure } from './measure.js';

/** How many bursts of each size at most, those of the proxy apart, and when one is given up. */
const sizes = [
  { waiters: 1, timed: 30, counted: 3, limit: 5_000 },
  { waiters: 10, timed: 10, counted: 3, limit: 8_000 },
  { waiters: 100, timed: 7, counted: 2, limit: 8_000 },
  { waiters: 1_000, timed: 1, counted: 1, limit: 8_000 },
] as const;
type Size = (typeof sizes)[number];

/** Whose bursts took this long together, in milliseconds, is not asked for more: they differ little. */
const enough = 4_000;

/** One contestant at one size. Of a burst that was given up, what was served until then counts. */
interface Point {
  readonly contestant: Contestant;
  readonly waiters: number;
  readonly bursts: Served[];
  /** Requests a section, in each counted burst. */
  readonly requests: number[];
  failure?: string;
}

/** A contestant's two workers: one beside its server, one behind a proxy if there is a wire. */
interface Place {
  readonly direct: Lane;
  readonly counted: { lane: Lane; proxy: CountingProxy } | undefined;
}

export const burst: Measure = {
  title: 'b. A burst of waiters on one lock, in one process',
  tasks: { serve },
  async run(bench) {
    const { able: here, unable } = able('waiting');
    const places = new Map<Contestant, Place>();
    for (const contestant of here) places.set(contestant, await placeOf(contestant, bench));
    const tables: Table[] = [];
    const points: Point[] = [];
    for (const size of sizes) {
      bench.progress(`${size.waiters} waiters`);
      const fresh = here.map((contestant) => pointOf(contestant, size));
      await interleave(fresh, size.timed, (point, round) =>
        attempt(point, () => burstOf(point, places.get(point.contestant) as Place, size, round)),
      );
      points.push(...fresh);
      tables.push(tableOf(size, fresh, unable));
    }
    for (const { direct, counted } of places.values()) {
      direct.end();
      counted?.lane.end();
      await counted?.proxy[Symbol.asyncDispose]();
    }
    return { tables, figures: [await plotOf(points)] };
  },
};

async function placeOf(contestant: Contestant, { addresses }: Bench): Promise<Place> {
  const direct = new Lane('b', contestant, addresses);
  const way = await proxied(contestant, addresses);
  const counted = way && { lane: new Lane('b', contestant, way.addresses), proxy: way.proxy };
  return { direct, counted };
}

function pointOf(contestant: Contestant, { waiters }: Size): Point {
  return { contestant, waiters, bursts: [], requests: [] };
}

async function burstOf(point: Point, place: Place, size: Size, round: number): Promise<void> {
  const { waiters, limit } = size;
  const crowd = { waiters, body: bodyTime, limit };
  const spent = point.bursts.reduce((sum, { start, end }) => sum + end - start, 0);
  if (spent < enough) {
    await place.direct.warmUp();
    point.bursts.push(await place.direct.serve(crowd));
  }
  if (!place.counted || round >= size.counted || (round > 0 && spent >= enough)) return;
  const { lane, proxy } = place.counted;
  await lane.warmUp();
  const before = proxy.commands;
  const { order } = await lane.serve(crowd);
  point.requests.push((proxy.commands - before) / order.length);
}

function tableOf(
  { waiters, limit }: Size,
  points: Point[],
  unable: { name: string; reason: string }[],
): Table {
  return {
    title: `${waiters.toLocaleString('en-US')} at once`,
    text: `Each waits for the lock, works ${bodyTime} ms (a timer: what that took in truth is in the third column, and is what the fourth counts in) and gives it back. The time of a burst is taken without the proxy, requests are counted in bursts of their own. A burst is given up after ${limit / 1_000} s; then only what was served counts. An inversion is a pair of waiters of whom the later was served first.`,
    columns: [
      '',
      'ms a section',
      'body, ms',
      '× body',
      'requests a section',
      'served',
      'inversions',
    ],
    rows: [
      ...points.map(rowOf),
      ...unable.map(({ name, reason }) => [name, reason, '', '', '', '', '']),
    ],
  };
}

function rowOf({ contestant, bursts, requests, waiters, failure }: Point): string[] {
  if (failure) return [contestant.name, failure, '', '', '', '', ''];
  const served = median(bursts.map(({ order }) => order.length));
  return [
    contestant.name,
    withSpread(spread(bursts.map(timeOf))),
    number(median(bursts.map(({ body }) => body))),
    number(median(bursts.map((each) => timeOf(each) / each.body))),
    requests.length > 0 ? number(median(requests)) : 'no wire',
    served < waiters ? `${served} of ${waiters}` : 'all',
    inversionsOf(bursts),
  ];
}

/** Milliseconds a section. */
function timeOf({ start, end, order }: Served): number {
  return (end - start) / order.length;
}

function inversionsOf(bursts: Served[]): string {
  const worst = bursts.toSorted((a, b) => inversions(b.order) - inversions(a.order))[0];
  const wrong = inversions(worst?.order ?? []);
  const pairs = ((worst?.order.length ?? 0) * ((worst?.order.length ?? 0) - 1)) / 2;
  return wrong === 0
    ? 'none'
    : `${wrong.toLocaleString('en-US')} (${number((100 * wrong) / pairs)} %)`;
}

/** The figure of the README: both costs over the number of waiters. */
async function plotOf(points: Point[]): Promise<Figure> {
  // Not imported above: every worker would load it.
  const { plot } = await import('../plot.js');
  const drawn = points.filter(({ contestant }) => contestant.name !== 'raw, memcache-client');
  const lines = [...new Set(drawn.map(({ contestant }) => contestant))].map((contestant) => {
    const own = points.filter((point) => point.contestant === contestant && !point.failure);
    return {
      name: contestant.name,
      time: own.map(({ waiters, bursts }) => [waiters, median(bursts.map(timeOf))] as const),
      requests: own
        .filter(({ requests }) => requests.length > 0)
        .map(({ waiters, requests }) => [waiters, median(requests)] as const),
    };
  });
  return {
    file: 'waiters.svg',
    caption: 'Requests and milliseconds a section, over the number of waiters in one process',
    svg: plot(lines, {
      count: 'waiters at once',
      time: `Milliseconds a section (the work itself: ${bodyTime} ms)`,
      shortest: 4,
    }),
  };
}
