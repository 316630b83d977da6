/**
 * A real failover of Sentinel under 50 workers that contend for one lock, each with a client of its
 * own; prints what happened. `npm run failover [seconds]`; ends with 1 if bodies overlapped under
 * valid leases other than by the loss that docs/stores.md tells of.
 */
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquire, StoreError } from 'dlock-js';
import { openIoredis, openNodeRedis } from '../sentinel-clients.js';
import { startSentinelGroup } from '../servers/sentinel.js';
import { longestGap, overlaps, type Run } from './history.js';

const duration = Number(process.argv[2] ?? 60) * 1_000;
const workers = 50;
const name = 'contended';

const told = { refused: 0, lost: 0 };
subscribe('dlock:refused', () => void told.refused++);
subscribe('dlock:lost', () => void told.lost++);

const group = await startSentinelGroup();
const opened = await Promise.all(
  Array.from({ length: workers }, (_, index) =>
    (index % 2 ? openIoredis : openNodeRedis)(group, { timeout: 1_000 }),
  ),
);
const runs: Run[] = [];
const errors: number[] = [];
const start = performance.now();
const now = () => performance.now() - start;
const enough = AbortSignal.timeout(duration);

/** One body in ten outlasts a renewal, so that the failover meets leases of every age. */
const bodyTime = () => (Math.random() < 0.1 ? 1_500 : 20 + Math.random() * 80);

async function work(store: (typeof opened)[number]['store']) {
  while (!enough.aborted) {
    try {
      await using lease = await acquire(store, name, { ttl: 3_000, signal: enough });
      const run: Run = {
        begin: now(),
        end: Infinity,
        validUntil: Infinity,
        fence: lease.fence ?? 0,
        token: lease.token,
      };
      runs.push(run);
      lease.signal.addEventListener('abort', () => {
        run.validUntil = Math.min(run.validUntil, now());
      });
      // It goes on to its end whatever it is told, as a body that does not look would.
      await sleep(bodyTime());
      run.end = now();
      run.validUntil = Math.min(run.validUntil, run.end);
    } catch (error) {
      if (error === enough.reason) return;
      if (!(error instanceof StoreError)) throw error;
      errors.push(now());
    }
  }
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

const [{ killed, replaced }] = await Promise.all([
  failOver(),
  ...opened.map(({ store }) => work(store)),
]);
await Promise.all(opened.map(({ close }) => close()));

const pairs = overlaps(runs);
// A lease of the old master, and one of the new, which had never heard of the first.
const byReplication = pairs.filter(([one, two]) => one.begin < replaced && two.begin > killed);
const gap = longestGap(runs, now());
const byGrant = runs.toSorted((one, two) => one.begin - two.begin);
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const rows: Record<string, string | number> = {
  'workers (half node-redis, half ioredis)': workers,
  'the master was killed at': seconds(killed),
  'the sentinels named another after': seconds(replaced - killed),
  acquisitions: runs.length,
  'of them after the kill': runs.filter(({ begin }) => begin > killed).length,
  refusals: told.refused,
  StoreErrors: errors.length,
  'of them outside the failover': errors.filter((at) => at < killed || at > killed + gap + 5_000)
    .length,
  'losses told': told.lost,
  'longest time without a grant': seconds(gap),
  'bodies that overlapped under valid leases': pairs.length,
  'of them by a lock lost in replication': byReplication.length,
  'fences out of order': byGrant.filter(
    ({ fence }, index) => index > 0 && fence <= (byGrant[index - 1]?.fence ?? 0),
  ).length,
};
console.log('| | |\n|---|--:|');
for (const [row, value] of Object.entries(rows)) console.log(`| ${row} | ${value} |`);
await group.stop();
// Clients that saw a failover may keep a timer.
process.exit(pairs.length === byReplication.length ? 0 : 1);
