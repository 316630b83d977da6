/**
 * One of several processes that run a job, period after period, each in a transaction that records it.
 * Arguments: URL of the database, job, and the step at which it kills itself; without one, it goes on until
 * it is told to stop.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LeaseLostError, once, StoreError } from 'dlock-js';
import { openResults } from '../../support/results.js';
import type { Step } from '../exactly-once.js';

export interface Message {
  /** One that is done. */
  readonly period: number;
}

const [url = '', job = '', fatal = ''] = process.argv.slice(2);
const { store, transaction, lastPeriod } = await openResults(url);

/** Nothing of what the process does afterwards is done, but for what it has sent. */
function reach(step: Step): void {
  if (step === fatal) process.kill(process.pid, 'SIGKILL');
}

let running = true;
process.on('message', () => {
  running = false;
});

/** Runs the period, or hears that it is done; false: neither yet. */
async function finish(period: number): Promise<boolean> {
  const outcome = await once(
    store,
    job,
    String(period),
    async (_lease, run) => {
      reach('the body begins');
      await transaction(async ({ query, write }, onCommit) => {
        reach('the transaction has begun');
        await run.recordIn((text, values) => {
          // A store may look first.
          if (/^\s*UPDATE/.test(text)) reach('the lock on the period is about to pass on');
          return query(text, values);
        });
        reach('the period is recorded');
        await write(job, period);
        reach('a part of the results is written');
        await write(job, period);
        reach('all results are written');
        onCommit(() => reach('the commit is on its way'));
      });
      reach('the transaction is committed');
    },
    { wait: Infinity, ttl: 1_000 },
  );
  if (outcome.ran) reach('once has returned');
  return outcome.ran || outcome.reason === 'done';
}

for (let period = 1; running; ) {
  // Whoever is to live leaves the periods to those that are to die, or it would always be the first.
  if (!fatal) await delay(Math.random() * 100);
  try {
    period = Math.max(period, await lastPeriod(job));
    if (!(await finish(period))) continue;
    process.send?.({ period } satisfies Message);
    period += 1;
  } catch (error) {
    // A busy machine stands still for longer than the ttl: the same period again.
    if (!(error instanceof LeaseLostError || error instanceof StoreError)) throw error;
  }
}
// A client that is asked once more in the background may open a connection again, and keep it.
process.exit();
