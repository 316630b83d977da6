/**
 * Measure g: the server grants a lock, the reply is lost and the connection cut. What the caller gets,
 * and for how long the lock is taken without anybody who knows that he holds it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startFaultyProxy } from '../../tests/support/proxy/faulty.js';
import { openMemcached, openNodeRedis } from '../contestants/clients.js';
import type { Addresses, Contestant, Session } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { number, type Table } from '../table.js';
import { Worker } from '../workers.js';
import { wireOf } from './crowd.js';
import type { Bench, Measure } from './measure.js';

const life = 10_000;
const patience = 2 * life;
const name = 'lost-reply';

/** What the worker tells: how the call ended. */
interface Outcome {
  readonly granted: boolean;
  readonly error?: string;
  readonly took: number;
}

export const lostReply: Measure = {
  title: 'g. The reply to an acquire is lost',
  tasks: { warmUp: (session: Session) => session.cycle('warm-up'), take },
  async run(bench) {
    const { able: here, unable } = able('processes');
    const onWire = here.filter(({ server }) => server !== 'file');
    const rows = await Promise.all(
      onWire.map(async (contestant) => [
        contestant.name,
        ...(await lose(contestant, bench).catch((error: Error) => [error.message, '', ''])),
      ]),
    );
    const table: Table = {
      title: `ttl ${life / 1_000} s`,
      text: `The lock is free, a proxy forwards the request, swallows the reply and cuts the connection. An orphan: the lock is taken in the server, and nobody holds it; it ends when it is gone or its owner learns of it. All wait for the lock as in the measures before.`,
      columns: ['', 'the caller gets', 'after, ms', 'orphan, ms'],
      rows: [
        ...rows,
        ...unable.map(({ name, reason }) => [name, reason, '', '']),
        ['dlock-js, file', 'no reply that could be lost', '', ''],
      ],
    };
    return { tables: [table] };
  },
};

async function lose(contestant: Contestant, { addresses }: Bench): Promise<string[]> {
  const wire = wireOf(contestant, addresses);
  if (!wire) throw new Error('no wire');
  const proxy = await startFaultyProxy(wire.port, wire.protocol);
  const through = { ...addresses, [wire.server]: proxy.ports[0] };
  const worker = await Worker.start('g', contestant, through);
  const watch = await watchKey(contestant, addresses);
  try {
    await worker.ask('warmUp');
    const lost = proxy.dropReply((words) => words.some((word) => word.includes(name)));
    const call = worker.ask<Outcome>('take').catch(died);
    const early = await Promise.race([lost, call]);
    if (early) throw new Error(early.error ?? 'granted, though the reply was lost');
    const cut = performance.now();
    const orphan = await watch.read();
    const outcome = await Promise.race([call, sleep(patience, undefined)]);
    if (!outcome) return ['nothing', `> ${patience}`, `> ${patience}`];
    const { granted, error, took } = outcome;
    // The same grant: what was an orphan has found its owner.
    if (granted && (await watch.read()) === orphan) return ['the lease', number(took), 'none'];
    while ((await watch.read()) === orphan) await sleep(5);
    const orphaned = granted ? took : performance.now() - cut;
    return [granted ? 'a later lease' : (error ?? ''), number(took), number(orphaned)];
  } finally {
    worker.end();
    watch.end();
    await proxy[Symbol.asyncDispose]();
  }
}

function died(error: Error): Outcome {
  return { granted: false, error: error.message, took: Number.NaN };
}

/** Reads, past the proxy, who holds the lock and until when; undefined if nobody. */
async function watchKey(contestant: Contestant, { redis, memcached }: Addresses) {
  const key = contestant.key(name);
  if (contestant.server === 'redis') {
    const client = await openNodeRedis(redis);
    const read = async () => {
      const [holder, end] = await Promise.all([client.get(key), client.pExpireTime(key)]);
      return holder === null ? undefined : `${holder} ${end}`;
    };
    return { read, end: () => client.destroy() };
  }
  const client = await openMemcached(memcached);
  const read = async () => (await client.get<string>(key))?.value;
  return { read, end: () => client.shutdown() };
}

async function take(session: Session): Promise<Outcome> {
  const start = performance.now();
  const elapsed = () => performance.now() - start;
  try {
    await session.hold(name, life, () => {});
    return { granted: true, took: elapsed() };
  } catch (error) {
    return { granted: false, error: `an error: ${(error as Error).message}`, took: elapsed() };
  }
}
