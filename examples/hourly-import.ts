/**
 * An import that runs once each hour, although every server schedules it. Start it on each of them:
 * `npx tsx examples/hourly-import.ts`, for one machine, or with the URL of a Redis that all share.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cron } from 'croner';
import { type Lease, type LockStore, once } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';

/** Imports what belongs to the period; asking the clock which that is would bring back the guess. */
export type Import = (period: string, signal: AbortSignal) => Promise<void>;

/** All servers but one stand by for this long, in milliseconds, to take over if that one fails. */
const standBy = 55 * 60_000;

export function scheduleImport(store: LockStore, runImport: Import, pattern = '0 * * * *'): Cron {
  // Without `catch`, a store that is down for a moment would end the process.
  const options = { timezone: 'Etc/UTC', catch: (error: unknown) => console.error(error) };
  return new Cron(pattern, options, async (job: Cron) => {
    const period = scheduledTime(job);
    const body = (lease: Lease) => runImport(period, lease.signal);
    const outcome = await once(store, 'import', period, body, { wait: standBy });
    console.log(`${period} ${outcome.ran ? 'imported' : outcome.reason}`);
  });
}

/**
 * The time for which the run was scheduled, in UTC: `2026-11-24T05:00:00`. Not the time at which it
 * begins: that differs from server to server, and a busy one may begin in the next hour.
 */
function scheduledTime(job: Cron): string {
  const begin = job.currentRun() ?? new Date();
  // `previousRuns` looks for runs before a moment; a run may begin to the millisecond on time.
  const [scheduled = begin] = job.previousRuns(1, new Date(begin.getTime() + 1));
  return scheduled.toISOString().slice(0, 19);
}

/** Stands for the real import, which must stop when `signal` aborts. */
async function importOrders(period: string, signal: AbortSignal): Promise<void> {
  console.log(`${period} begins`);
  await sleep(2_000, undefined, { signal });
}

async function openStore(url?: string): Promise<LockStore> {
  if (!url) return new FileStore(join(tmpdir(), 'dlock-hourly-import'));
  const client = createClient({ url });
  client.on('error', (error) => console.error(error.message));
  return new RedisStore(await client.connect());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  scheduleImport(await openStore(process.argv[2]), importOrders);
}
