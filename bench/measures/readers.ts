/** Measure j: a thousand readers who overlap all the time, and one writer: how long that waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant, Session } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { median } from '../statistics.js';
import { number, type Table } from '../table.js';
import { Worker } from '../workers.js';
import { freshName } from './crowd.js';
import type { Bench, Measure } from './measure.js';

const processes = 4;
const readers = 250;
/** In milliseconds: how long a reader reads, and rests before the next time; and how long all goes on. */
const reading = 20;
const resting = 200;
const duration = 8_000;

export const readersMeasure: Measure = {
  title: `j. ${(processes * readers).toLocaleString('en-US')} readers and one writer`,
  tasks: { read, write },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes', 'reading');
    const rows: string[][] = [];
    for (const contestant of here) {
      bench.progress(contestant.name);
      const row = await rowOf(contestant, bench).catch((error: Error) => [
        error.message,
        '',
        '',
        '',
      ]);
      rows.push([contestant.name, ...row]);
    }
    const table: Table = {
      title: `${processes} processes of ${readers} readers, and one that writes`,
      text: `For ${duration / 1_000} s: each reader reads for ${reading} ms and rests for up to ${resting} ms; the writer wants the lock alone, time and again. Its wait counts.`,
      columns: ['', 'sections of readers', 'of the writer', 'its wait, ms', 'the longest, ms'],
      rows: [...rows, ...unable.map(({ name, reason }) => [name, reason, '', '', ''])],
    };
    return { tables: [table] };
  },
};

async function rowOf(contestant: Contestant, { addresses }: Bench): Promise<string[]> {
  const start = () => Worker.start('j', contestant, addresses);
  const workers = await Promise.all(Array.from({ length: processes + 1 }, start));
  const [writer, ...reading] = workers as [Worker, ...Worker[]];
  try {
    const name = freshName();
    const sections = reading.map((worker) => worker.ask<number>('read', { name }));
    const waits = await writer.ask<number[]>('write', { name });
    const read = (await Promise.all(sections)).reduce((sum, each) => sum + each, 0);
    return [
      read.toLocaleString('en-US'),
      `${waits.length}`,
      number(median(waits)),
      number(Math.max(...waits)),
    ];
  } finally {
    for (const worker of workers) worker.end();
  }
}

/** The task of a reader's process: resolves to the number of sections. */
async function read(session: Session, { name }: { name: string }): Promise<number> {
  const end = performance.now() + duration;
  let sections = 0;
  const loop = async () => {
    while (performance.now() < end) {
      await sleep(Math.random() * resting);
      await session.place?.(name, Number.POSITIVE_INFINITY, async () => {
        sections += 1;
        await sleep(reading);
      });
    }
  };
  await Promise.all(Array.from({ length: readers }, loop));
  return sections;
}

/** The task of the writer: resolves to what each wait took. */
async function write(session: Session, { name }: { name: string }): Promise<number[]> {
  const end = performance.now() + duration - 1_000;
  const waits: number[] = [];
  while (performance.now() < end) {
    await sleep(reading);
    const asked = performance.now();
    await session.section(name, async () => {
      waits.push(performance.now() - asked);
    });
  }
  return waits;
}
