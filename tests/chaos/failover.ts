/**
 * A real failover of Sentinel under 50 workers that contend for one lock, each with a client of its
 * own; prints what happened. `npm run failover [seconds]`; ends with 1 if bodies overlapped under
 * valid leases other than by the loss that docs/stores.md tells of.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquire, type LockStore, StoreError, subscribe } from 'dlock-js';
import { openIoredis, openNodeRedis } from '../support/sentinel-clients.js';
import { startSentinelGroup } from '../support/servers/sentinel.js';
import { judge, type SeenLease } from './history.js';
import { printTable } from './report.js';

const duration = Number(process.argv[2] ?? 60) * 1_000;
const workers = 50;
const name = 'contended';

const told = { refused: 0, lost: 0 };
subscribe('refused', () => void told.refused++);
subscribe('lost', () => void told.lost++);

const group = await startSentinelGroup(1_000);
const opened = await Promise.all(
  Array.from({ length: workers }, (_, index) =>
    (index % 2 ? openIoredis : openNodeRedis)(group, { timeout: 1_000 }),
  ),
);
const leases: SeenLease[] = [];
const errors: { readonly at: number; readonly client: string }[] = [];
/** A client in a process that is too busy to read answers is told nothing. */
const delays = monitorEventLoopDelay();
delays.enable();
const start = performance.now();
const now = () => performance.now() - start;
const enough = AbortSignal.timeout(duration);

/** One body in ten outlasts a renewal, so that the failover meets leases of every age. */
const bodyTime = () => (Math.random() < 0.1 ? 1_500 : 20 + Math.random() * 80);

async function work({ store }: (typeof opened)[number], index: number) {
  while (!enough.aborted) {
    try {
      await turn(store, `${index + 1}`);
    } catch (error) {
      if (error === enough.reason) return;
      if (!(error instanceof StoreError)) throw error;
      errors.push({ at: now(), client: index % 2 ? 'ioredis' : 'node-redis' });
    }
  }
}

/** A function of its own, since esbuild throws what left the block once again in each later round. */
async function turn(store: LockStore, worker: string) {
  const requested = now();
  await using lease = await acquire(store, name, { ttl: 3_000, signal: enough });
  const seen: SeenLease = {
    worker,
    lock: name,
    limit: 1,
    fence: lease.fence,
    requested,
    granted: now(),
    end: Infinity,
    ending: undefined,
  };
  leases.push(seen);
  lease.signal.addEventListener('abort', () => {
    seen.ending ??= 'lost';
    seen.end = Math.min(seen.end, now());
  });
  // It goes on to its end whatever it is told, as a body that does not look would.
  await sleep(bodyTime());
  seen.ending ??= 'released';
  seen.end = Math.min(seen.end, now());
}

async function failOver() {
  await sleep(duration / 3);
  const master = await group.master();
  const killed = now();
  await master.kill();
  while ((await group.master()) === master) await sleep(20);
  const replaced = now();
  await sleep(duration / 6);
  await master.restart();
  return { killed, replaced };
}

const [{ killed, replaced }] = await Promise.all([failOver(), ...opened.map(work)]);
await Promise.all(opened.map(({ close }) => close()));

const violations = judge({ leases }, { fenced: true });
const overlaps = violations.filter(({ rule }) => rule === 'overlap');
// A lease of the old master, and one of the new, which had never heard of the first.
const byReplication = overlaps.filter(
  ({ earlier, later }) =>
    earlier.every(({ granted }) => granted < replaced) && later.granted > killed,
);
const gap = longestGap(now());
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
printTable({
  '': {
    'workers (half node-redis, half ioredis)': workers,
    'the master was killed at': seconds(killed),
    'the sentinels named another after': seconds(replaced - killed),
    granted: leases.length,
    'of them after the kill': leases.filter(({ granted }) => granted > killed).length,
    refused: told.refused,
    'errors of the store': errors.length,
    'of them before the kill': errors.filter(({ at }) => at < killed).length,
    'the last of them, after the other was named, node-redis': seconds(lastError('node-redis')),
    'the last of them, after the other was named, ioredis': seconds(lastError('ioredis')),
    'longest delay of the event loop': seconds(delays.max / 1e6),
    lost: told.lost,
    'longest time without a grant': seconds(gap),
    'bodies that overlapped under valid leases': overlaps.length,
    'of them by a lock lost in replication': byReplication.length,
    'fences out of order': violations.length - overlaps.length,
  },
});
await group.stop();
// Clients that saw a failover may keep a timer.
process.exit(overlaps.length === byReplication.length ? 0 : 1);

/** How long after the failover a client still failed. */
function lastError(client: string): number {
  const late = errors.filter((error) => error.client === client && error.at > replaced);
  return Math.max(0, ...late.map(({ at }) => at - replaced));
}

/** The longest time between two grants, or from the last one to the end. */
function longestGap(end: number): number {
  const grants = [...leases.map(({ granted }) => granted), end].sort((one, two) => one - two);
  return Math.max(...grants.map((grant, index) => grant - (grants[index - 1] ?? 0)));
}
