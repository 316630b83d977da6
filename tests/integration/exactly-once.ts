/** That the results of a period are there exactly once, wherever its process is killed. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { ended, startWorker } from '../support/workers.js';
import type { Message } from './workers/recorder.js';

/** Where a process kills itself, in the order in which a run gets there. */
export const steps = [
  'the body begins',
  'the transaction has begun',
  'the lock on the period is about to pass on',
  'the period is recorded',
  'a part of the results is written',
  'all results are written',
  'the commit is on its way',
  'the transaction is committed',
  'once has returned',
] as const;
export type Step = (typeof steps)[number];

/**
 * Several processes contend for one job, period after period; each kills itself at a step, and another takes
 * its place, until `kills` are dead. Then the last ones go on for some periods, and are told to stop.
 *
 * @param first the number of the step that comes first; the others follow in order.
 * @returns the last period that was run.
 */
export async function killAtEveryStep(
  url: string,
  job: string,
  first: number,
  kills: number,
): Promise<number> {
  const worker = new URL('./workers/recorder.ts', import.meta.url);
  const plan: Step[] = Array.from(
    { length: kills },
    (_, index) => steps[(first + index) % steps.length] as Step,
  );
  let lastPeriod = 0;
  const survivors = new Set<ChildProcess>();
  const post = async (): Promise<void> => {
    const step = plan.shift();
    const child = startWorker(worker, url, job, step ?? '');
    if (!step) survivors.add(child);
    child.on('message', ({ period }: Message) => {
      lastPeriod = Math.max(lastPeriod, period);
    });
    const how = await ended(child);
    if (step) {
      assert.equal(how, 'SIGKILL', `the process that was to die when ${step}`);
      return post();
    }
    assert.equal(how, 0);
  };
  const posts = Promise.all([post(), post(), post()]);
  const allDead = () => plan.length === 0 && survivors.size === 3;
  await Promise.race([posts, until(allDead)]);
  const goal = lastPeriod + 3;
  await Promise.race([posts, until(() => lastPeriod >= goal)]);
  for (const survivor of survivors) survivor.send('stop');
  await posts;
  return lastPeriod;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}
