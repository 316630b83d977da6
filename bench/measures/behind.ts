/**
 * Measure d: a thousand waiters behind a lock that another process holds. What they cost the server
 * meanwhile, and how long it takes until all are served once the lock is free.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { number, type Table } from '../table.js';
import { freshName, giveBack, Lane, proxied, serve, take } from './crowd.js';
import type { Bench, Measure } from './measure.js';

const waiters = 1_000;
const held = 10_000;
const limit = 8_000;

export const behind: Measure = {
  title: 'd. A thousand waiters behind a lock that another process holds',
  tasks: { serve, take, giveBack },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes');
    const rows: string[][] = [];
    for (const contestant of here) {
      bench.progress(contestant.name);
      rows.push(await behindRow(contestant, bench));
    }
    return {
      tables: [behindTable([...rows, ...unable.map(({ name, reason }) => [name, reason, '', ''])])],
    };
  },
};

export function behindTable(rows: string[][]): Table {
  return {
    title: `${waiters.toLocaleString('en-US')} waiters`,
    text: `They wait for ${held / 1_000} s, and ask nothing under the lock but to give it back. The requests are all those of the waiting process, its first ones too. Once the lock is free they get ${limit / 1_000} s.`,
    columns: ['', 'requests a second, waiting', 's until all are served', 'served'],
    rows,
  };
}

export async function behindRow(contestant: Contestant, bench: Bench): Promise<string[]> {
  return [contestant.name, ...(await wait(contestant, bench).catch(failed))];
}

async function wait(contestant: Contestant, { addresses }: Bench): Promise<string[]> {
  const way = await proxied(contestant, addresses);
  const holder = new Lane('d', contestant, addresses);
  const crowd = new Lane('d', contestant, way?.addresses ?? addresses);
  const name = freshName();
  try {
    await crowd.warmUp();
    await (await holder.worker()).ask('take', { name });
    const before = way?.proxy.commands ?? 0;
    const serving = crowd.serve({ name, waiters, body: 0, limit: held + limit });
    serving.catch(() => {});
    await sleep(held);
    const rate = ((way?.proxy.commands ?? 0) - before) / (held / 1_000);
    const released = await (await holder.worker()).ask<number>('giveBack');
    const { order, end } = await serving;
    const all = order.length === waiters;
    return [
      way ? number(rate) : 'no wire',
      all ? number((end - released) / 1_000) : '–',
      all ? 'all' : `${order.length} of ${waiters} in ${limit / 1_000} s`,
    ];
  } finally {
    for (const lane of [holder, crowd]) lane.end();
    await way?.proxy[Symbol.asyncDispose]();
  }
}

function failed(error: Error): string[] {
  return [error.message, '', ''];
}
