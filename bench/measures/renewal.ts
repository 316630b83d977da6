/** Measure e: what it costs to keep ten thousand leases alive. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Contestant, type Session, ttl } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { number, type Table } from '../table.js';
import { Worker } from '../workers.js';
import { proxied } from './crowd.js';
import type { Bench, Measure } from './measure.js';

const leases = 10_000;
/** A whole ttl, so that everybody has renewed all of them at least once. */
const time = ttl;

/** What a process saw of itself meanwhile. */
interface Upkeep {
  /** Of one core. */
  readonly processor: number;
  /** Milliseconds by which a timer came late. */
  readonly delay: { readonly most: number; readonly p99: number };
  readonly lost: number;
}

let lost = 0;

export const renewal: Measure = {
  title: `e. Ten thousand leases, kept alive`,
  tasks: { take, keep },
  async run(bench) {
    const { able: renewing, unable } = able('renewal');
    const here = renewing.filter(({ server }) => server !== 'file');
    const rows: string[][] = [];
    for (const contestant of here) {
      bench.progress(contestant.name);
      rows.push([contestant.name, ...(await upkeepOf(contestant, bench).catch(failed))]);
    }
    const table: Table = {
      title: `${leases.toLocaleString('en-US')} leases of ${ttl / 1_000} s, taken at once`,
      text: `Over ${time / 1_000} s, in a process that does nothing else. Memory: what the heap holds more, with all of them, after a collection. Delay of the event loop: how late a timer of 10 ms is.`,
      columns: [
        '',
        'processor, % of a core',
        'requests a second',
        'kB a lease',
        'delay, 99 %, ms',
        'longest delay, ms',
        'lost',
      ],
      rows: [
        ...rows,
        ...unable.map(({ name, reason }) => [name, reason, '', '', '', '', '']),
        ['dlock-js, file', 'not measured: for fewer locks', '', '', '', '', ''],
      ],
    };
    return { tables: [table] };
  },
};

async function upkeepOf(contestant: Contestant, { addresses }: Bench): Promise<string[]> {
  const way = await proxied(contestant, addresses);
  const worker = await Worker.start('e', contestant, way?.addresses ?? addresses);
  try {
    const memory = await worker.ask<number>('take');
    const before = way?.proxy.commands ?? 0;
    const { processor, delay, lost } = await worker.ask<Upkeep>('keep');
    const requests = (way?.proxy.commands ?? 0) - before;
    return [
      number(processor * 100),
      way ? number(requests / (time / 1_000)) : 'no wire',
      number(memory / leases / 1_000),
      number(delay.p99),
      number(delay.most),
      `${lost}`,
    ];
  } finally {
    worker.end();
    await way?.proxy[Symbol.asyncDispose]();
  }
}

function failed(error: Error): string[] {
  return [error.message, '', '', '', '', ''];
}

/** Takes the leases; answers how many bytes they hold. */
async function take(session: Session): Promise<number> {
  // The first makes the client and the library allocate what they keep anyway.
  await session.cycle('renewal');
  const before = inHeap();
  const names = Array.from({ length: leases }, (_, i) => `renewal-${i}`);
  await Promise.all(
    names.map((name) =>
      session.hold(name, ttl, () => {
        lost += 1;
      }),
    ),
  );
  await sleep(500);
  return inHeap() - before;
}

function inHeap(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function keep(): Promise<Upkeep> {
  const resolution = 10;
  const delays = monitorEventLoopDelay({ resolution });
  delays.enable();
  const before = process.cpuUsage();
  const start = performance.now();
  await sleep(time);
  const elapsed = performance.now() - start;
  const { user, system } = process.cpuUsage(before);
  delays.disable();
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution);
  return {
    processor: (user + system) / 1_000 / elapsed,
    delay: { most: late(delays.max), p99: late(delays.percentile(99)) },
    lost,
  };
}
