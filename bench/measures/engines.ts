/**
 * Measure k: PostgreSQL, MariaDB and etcd. The cycle beside the bare client with the same statements, the
 * bursts of b and c, the hand-over between processes in round trips of each, and the waiters of d.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant, Engine } from '../contestants/contestant.js';
import { engines } from '../contestants/engines.js';
import { median, spread } from '../statistics.js';
import { number, type Table, withSpread } from '../table.js';
import { behindRow, behindTable } from './behind.js';
import { burstColumns, burstRow, burstsOf, type Crew, end, entryOf } from './bursts.js';
import { attempt, giveBack, serve, take } from './crowd.js';
import { cyclesOf } from './cycle.js';
import { type Bench, interleave, type Measure } from './measure.js';
import { handOver, timed } from './processes.js';

const letter = 'k';
const names = { postgres: 'PostgreSQL', mysql: 'MariaDB', etcd: 'etcd' } as const;
const crews: readonly Crew[] = [
  { processes: 1, waiters: 100 },
  { processes: 4, waiters: 25 },
];
const handOvers = 30;

const ours = engines.filter(({ limit }) => limit);

export const enginesMeasure: Measure = {
  title: 'k. PostgreSQL, MariaDB and etcd',
  tasks: { serve, take, giveBack },
  async run({ addresses, progress }) {
    // Not imported above: every worker would load it, and all clients.
    const { startEngines } = await import('../engines.js');
    const started = await startEngines();
    try {
      const bench = { addresses: { ...addresses, ...started.ports }, progress };
      const tables: Table[] = [];
      for (const [engine, name] of Object.entries(names)) {
        const here = engines.filter(({ server }) => server === engine);
        tables.push(...(await cyclesOf(bench, name, here, { rounds: 40, cycles: 100 })));
      }
      for (const crew of crews) tables.push(await burstTable(bench, crew));
      tables.push(await handOverTable(bench));
      const rows: string[][] = [];
      for (const contestant of ours) {
        progress(`behind, ${contestant.name}`);
        rows.push(await behindRow(contestant, bench));
      }
      return { tables: [...tables, behindTable(rows)] };
    } finally {
      await started[Symbol.asyncDispose]();
    }
  },
};

async function burstTable(bench: Bench, crew: Crew): Promise<Table> {
  const title = `${crew.processes} × ${crew.waiters} at once`;
  bench.progress(title);
  const entries = [];
  for (const contestant of ours) entries.push(await entryOf(letter, contestant, crew, bench));
  await burstsOf(entries);
  for (const entry of entries) await end(entry);
  return { title, text: 'As in measure c.', columns: burstColumns, rows: entries.map(burstRow) };
}

/** The least that a server can be asked, and the least that it must write down. */
interface RoundTrips {
  readonly read: () => Promise<unknown>;
  readonly write: () => Promise<unknown>;
  /** The least that a hand-over can be: a write, the news of it, and a write. Undefined: there is no news. */
  readonly handOver: (() => Promise<unknown>) | undefined;
  readonly close: () => unknown;
}

/** What both pools have in common. */
interface Queries {
  query(text: string): Promise<unknown>;
  end(): Promise<unknown>;
}

async function roundTripsOf(engine: Engine, port: number | undefined): Promise<RoundTrips> {
  if (engine === 'etcd') return roundTripsOfEtcd(port);
  const { openMysql, openPg } = await import('../contestants/engine-clients.js');
  const isPostgres = engine === 'postgres';
  const pool: Queries = isPostgres ? openPg(port) : openMysql(port);
  const row = isPostgres ? 'WHERE key = (SELECT key FROM dlock_locks LIMIT 1)' : 'LIMIT 1';
  const update = `UPDATE dlock_locks SET fence = fence + 1 ${row}`;
  const read = () => pool.query('SELECT 1');
  const write = () => pool.query(update);
  if (isPostgres) return { read, write, ...(await leastOfPostgres(port, pool, update)) };
  return { read, write, handOver: undefined, close: () => pool.end() };
}

type Least = Pick<RoundTrips, 'handOver' | 'close'>;

async function leastOfPostgres(
  port: number | undefined,
  pool: Queries,
  update: string,
): Promise<Least> {
  const { openPg, openPgNews } = await import('../contestants/engine-clients.js');
  const [next, news] = [openPg(port), await openPgNews(port, 'news')];
  const release = `WITH released AS (${update} RETURNING key) SELECT pg_notify('news', '') FROM released`;
  const handOver = async () => {
    const told = news.next();
    await Promise.all([pool.query(release), told.then(() => next.query(update))]);
  };
  return { handOver, close: () => Promise.all([pool.end(), next.end(), news.close()]) };
}

async function roundTripsOfEtcd(port: number | undefined): Promise<RoundTrips> {
  const { openEtcd, openEtcdNews } = await import('../contestants/engine-clients.js');
  const [client, next] = [openEtcd(port), openEtcd(port)];
  const [key, value] = ['cm91bmQ=', 'dHJpcA=='];
  const news = await openEtcdNews(port, key);
  const read = () => client.ask('kv/range', { key });
  const write = () => client.ask('kv/put', { key, value });
  const handOver = async () => {
    const told = news.next();
    await Promise.all([write(), told.then(() => next.ask('kv/put', { key: value, value }))]);
  };
  const close = () => {
    for (const each of [client, next, news]) each.close();
  };
  return { read, write, handOver, close };
}

async function handOverTable(bench: Bench): Promise<Table> {
  bench.progress('hand-over');
  const rows: string[][] = [];
  for (const contestant of ours) rows.push(await handOverRow(contestant, bench));
  return {
    title: 'From a release to the next process',
    text: `As in measure c, ${handOvers} times; beside it what clients at rest take for the least that the server can be asked (\`SELECT 1\`, a range), for a write of one key, and for the least that a hand-over can be, within one process: a write, the news of it, and a write of another client.`,
    columns: ['', 'ms', 'a read, ms', 'a write, ms', 'the least, ms', 'in reads', '× the least'],
    rows,
  };
}

async function handOverRow(contestant: Contestant, bench: Bench): Promise<string[]> {
  const engine = contestant.server as Engine;
  const entry = await entryOf(letter, contestant, { processes: 2, waiters: 1 }, bench);
  const {
    read,
    write,
    handOver: least,
    close,
  } = await roundTripsOf(engine, bench.addresses[engine]);
  const times: number[] = [];
  const reads: number[] = [];
  const writes: number[] = [];
  const leasts: number[] = [];
  await interleave([entry], handOvers, async () => {
    await attempt(entry, async () => void times.push(await handOver(entry)));
    reads.push(await timed(read));
    writes.push(await timed(write));
    // At rest as long as before a hand-over.
    await sleep(200);
    if (least) leasts.push(await timed(least));
  });
  await close();
  await end(entry);
  if (entry.failure) return [contestant.name, entry.failure, '', '', '', '', ''];
  const [time, aRead] = [median(times), median(reads)];
  return [
    contestant.name,
    withSpread(spread(times)),
    number(aRead),
    number(median(writes)),
    least ? number(median(leasts)) : 'no news',
    number(time / aRead),
    least ? number(time / median(leasts)) : '',
  ];
}
