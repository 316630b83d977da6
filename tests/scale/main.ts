/**
 * `npm run scale`: what a fleet costs a Redis server, by real processes as far as this machine goes, by the
 * same core on a simulated clock up to ten thousand processes, and by the model of docs/scale.md.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startTaker } from '../integration/turn-taker.js';
import { startCountingProxy } from '../support/proxy/counting.js';
import { resp } from '../support/proxy/resp.js';
import { startRedis } from '../support/servers.js';
import { idle, loop } from './fleet.js';
import { idleInQueue, requestsASection } from './model.js';

const real = [1, 4, 16, 64];
const simulated = [...real, 1_000, 10_000];
/** How long they loop, in milliseconds. */
const duration = 10_000;
const work = 20;

interface Measured {
  readonly looping: number;
  readonly idling: number;
}

/** Requests a section of processes that loop, and requests a second of those that wait for another. */
async function measure(processes: number): Promise<Measured> {
  await using server = await startRedis();
  await using proxy = await startCountingProxy(Number(new URL(server.url).port), resp);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const takers: Awaited<ReturnType<typeof startTaker>>[] = [];
  while (takers.length < processes) {
    takers.push(await startTaker('node-redis 6', url, 'scale', work, duration));
  }
  for (const { begin } of takers) begin();
  // The first round, in which they subscribe and stand in line, costs otherwise.
  await delay(processes * 2 * work);
  const [from, before] = [Date.now(), proxy.commands];
  await delay(duration - 1_000 - processes * 2 * work);
  const [to, requests] = [Date.now(), proxy.commands - before];
  const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
  const sections = outcomes.flatMap(({ times }) => times).filter((at) => at >= from && at < to);
  const looping = requests / sections.length;
  return { looping, idling: await idling(url, proxy, processes) };
}

async function idling(url: string, proxy: { readonly commands: number }, processes: number) {
  const holder = await startTaker('node-redis 6', url, 'held', 10 * 60_000);
  holder.begin();
  const waiting: Awaited<ReturnType<typeof startTaker>>[] = [];
  while (waiting.length < processes) {
    const taker = await startTaker('node-redis 6', url, 'held');
    taker.begin();
    waiting.push(taker);
  }
  await delay(10_000);
  const before = proxy.commands;
  await delay(60_000);
  const requests = proxy.commands - before;
  await Promise.all([holder, ...waiting].map(({ end }) => end('SIGKILL')));
  // The holder renews its own lease, which lives for 30 s.
  return (requests - 60 / 9.25) / 60;
}

function row(...cells: (string | number | undefined)[]): string {
  const written = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(2) : (cell ?? '')));
  return `| ${written.join(' | ')} |`;
}

console.log(
  row(
    'processes',
    'a section: measured',
    'simulated',
    'model',
    'waiting, a second: measured',
    'simulated',
    'model',
  ),
);
console.log(row('--:', '--:', '--:', '--:', '--:', '--:', '--:'));
for (const processes of simulated) {
  const measured = real.includes(processes) ? await measure(processes) : undefined;
  const looped = await loop(processes, 'queue', work);
  const waited = await idle(processes + 1, 'queue', 600);
  console.log(
    row(
      processes.toLocaleString('en-US'),
      measured?.looping,
      looped.requests / looped.sections,
      requestsASection(processes),
      measured?.idling,
      waited.requests / 600,
      idleInQueue(processes),
    ),
  );
}
process.exit();
