/**
 * Measure f: the server freezes while leases are held. When is the holder told, against the moment
 * at which the server lets the lock expire, after which another could hold it too?
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNodeRedis } from '../contestants/clients.js';
import type { Addresses, Contestant, Session } from '../contestants/contestant.js';
import { able } from '../contestants/index.js';
import { startMemcached, startRedis } from '../servers.js';
import { number, type Table } from '../table.js';
import { Worker } from '../workers.js';
import type { Bench, Measure } from './measure.js';

const life = 1_000;
const rounds = 4;
/** For how long the servers stay frozen. */
const frozen = 6_500;
const name = 'loss';

export const loss: Measure = {
  title: 'f. A lost lease is told',
  tasks: { take, told },
  async run(bench) {
    const { able: telling, unable } = able('telling');
    const here = telling.filter(({ server }) => server !== 'file');
    const results = new Map(here.map((contestant) => [contestant, [] as string[]]));
    const late = new Map(here.map((contestant) => [contestant, [] as number[]]));
    for (let round = 0; round < rounds; round++) {
      bench.progress(`round ${round + 1} of ${rounds}`);
      for (const [contestant, answer] of await freeze(here, bench)) {
        if (typeof answer === 'number') late.get(contestant)?.push(answer);
        else results.get(contestant)?.push(answer);
      }
    }
    return { tables: [tableOf(here, late, results, unable)] };
  },
};

/**
 * How late each was told, in milliseconds, negative if early; or why there is no such number. All hold
 * a lease of their own on the same servers, which are frozen once.
 */
async function freeze(here: readonly Contestant[], { addresses }: Bench) {
  const [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  const own: Addresses = { ...addresses, redis: redis.port, memcached: memcached.port };
  const workers = new Map<Contestant, Worker>();
  const start = async (contestant: Contestant) => {
    workers.set(contestant, await Worker.start('f', contestant, own));
  };
  await Promise.all(here.map(start));
  const answers = new Map<Contestant, number | string>();
  const ask = async <Answer>(contestant: Contestant, task: string) => {
    const worker = workers.get(contestant) as Worker;
    return worker.ask<Answer>(task).catch((error: Error) => {
      answers.set(contestant, error.message);
    });
  };
  await Promise.all(here.map((contestant) => ask(contestant, 'take')));
  // Renewals are under way; the freeze comes at any point between two of them.
  await sleep(2 * life + Math.random() * life);
  const ends = await endsOf(here, own);
  await Promise.all([redis.freeze(), memcached.freeze()]);
  await sleep(frozen);
  for (const contestant of here) {
    const at = await ask<number | undefined>(contestant, 'told');
    if (answers.has(contestant)) continue;
    const end = ends.get(contestant);
    if (end === undefined) answers.set(contestant, 'had lost it before');
    else answers.set(contestant, at === undefined ? `not within ${frozen / 1_000} s` : at - end);
  }
  for (const worker of workers.values()) worker.end();
  await Promise.all([redis.stop(), memcached.stop()]);
  return answers;
}

/** When the servers will let the locks expire, as they see it, in milliseconds since the epoch. */
async function endsOf(here: readonly Contestant[], { redis, memcached }: Addresses) {
  const ends = new Map<Contestant, number | undefined>();
  const client = await openNodeRedis(redis);
  // Memcached first: to ask it takes a while, in which Redis would go on renewing.
  for (const contestant of here.toSorted((a, b) => a.server.localeCompare(b.server))) {
    const key = contestant.key(name);
    if (contestant.server === 'redis') {
      const end = await client.pExpireTime(key);
      ends.set(contestant, end > 0 ? end : undefined);
    } else {
      ends.set(contestant, await endInMemcached(memcached, key));
    }
  }
  client.destroy();
  return ends;
}

/**
 * Memcached counts whole seconds of a clock of its own, which ticks once a second: an item with n
 * seconds to go ends at the n-th tick from now. When it ticks shows in the seconds of another item.
 * By `mg`, which memcache-client does not know.
 */
async function endInMemcached(port: number, key: string): Promise<number | undefined> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  const ask = async (request: string) => {
    socket.write(`${request}\r\n`);
    const [answer] = (await once(socket, 'data')) as [string];
    return answer.trim();
  };
  const secondsOf = async (item: string) =>
    Number(/^HD t(\d+)/.exec(await ask(`mg ${item} t`))?.[1]);
  await ask('ms tick 1 T1000\r\nx');
  const before = await secondsOf('tick');
  while ((await secondsOf('tick')) === before);
  const nextTick = Date.now() + 1_000;
  const end = nextTick + ((await secondsOf(key)) - 1) * 1_000;
  socket.destroy();
  return Number.isNaN(end) ? undefined : end;
}

let toldAt: number | undefined;

async function take(session: Session): Promise<void> {
  await session.hold(name, life, () => {
    toldAt ??= performance.timeOrigin + performance.now();
  });
}

async function told(): Promise<number | undefined> {
  return toldAt;
}

function tableOf(
  here: readonly Contestant[],
  late: ReadonlyMap<Contestant, number[]>,
  others: ReadonlyMap<Contestant, string[]>,
  unable: { name: string; reason: string }[],
): Table {
  return {
    title: `The server frozen (SIGSTOP), ttl ${life.toLocaleString('en-US')} ms`,
    text: `Milliseconds from the moment at which the server lets the lock expire, by its own account, to the moment at which the holder's process is told; negative is in time. ${rounds} rounds; the server stays frozen for ${frozen / 1_000} s. Memcached keeps a lock for up to a second longer than asked, since it counts in whole seconds.`,
    columns: ['', 'earliest', 'latest', 'otherwise'],
    rows: [
      ...here.map((contestant) => {
        const times = late.get(contestant) ?? [];
        const otherwise = [...new Set(others.get(contestant))].join('; ');
        const shown =
          times.length > 0 ? [Math.min(...times), Math.max(...times)].map(number) : ['', ''];
        return [contestant.name, ...shown, otherwise];
      }),
      ...unable.map(({ name, reason }) => [name, '', '', reason]),
      ['dlock-js, file', '', '', 'no server that could freeze'],
    ],
  };
}
