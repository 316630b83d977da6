/** Runs `workers/file-steps.ts`: a process that stops, or dies, before its nth call to the file system. */
import assert from 'node:assert/strict';
import { eventually } from '../../src/testing/fixture.js';
import { hasStopped } from '../support/servers/processes.js';
import { ended, startWorker } from '../support/workers.js';

const file = new URL('./workers/file-steps.ts', import.meta.url);

export type Work = 'take' | 'share' | 'sweep';

/** What it reports: whether it acquired, extended and released, and after how many calls. */
export type Answers = Record<string, unknown>;

/** The answers of a worker that nothing stops. */
export async function runToTheEnd(work: Work, directory: string): Promise<Answers> {
  const worker = startWorker(file, directory, '-1', 'SIGKILL', work);
  const answers: Answers = {};
  worker.on('message', (message: Answers) => Object.assign(answers, message));
  assert.equal(await ended(worker), 0);
  return answers;
}

/** Resolves when the worker has died before its nth call. */
export async function killBefore(nth: number, work: Work, directory: string): Promise<void> {
  const worker = startWorker(file, directory, `${nth}`, 'SIGKILL', work);
  assert.equal(await ended(worker), 'SIGKILL');
}

interface StoppedWorker extends AsyncDisposable {
  /** The call before which it stands. */
  readonly before: unknown;
  /** Resolves to what it answers from now on, once it has ended. */
  goOn(): Promise<Answers>;
}

/** Resolves when the worker stands still before its nth call. */
export async function stopBefore(
  nth: number,
  work: Work,
  directory: string,
): Promise<StoppedWorker> {
  const worker = startWorker(file, directory, `${nth}`, 'SIGSTOP', work);
  const answers: Answers = {};
  let before: unknown;
  worker.on('message', (message: Answers) => {
    if (message.stopsBefore) before = message.stopsBefore;
    else if (before) Object.assign(answers, message);
  });
  const { pid = 0 } = worker;
  // It says so just before, and would sleep forever if it were woken up before it stops.
  await eventually('the worker stops itself', async () => !!before && (await hasStopped(pid)));
  return {
    before,
    async goOn() {
      process.kill(pid, 'SIGCONT');
      assert.equal(await ended(worker), 0);
      const { calls: _, callsToAcquire: __, ...told } = answers;
      return told;
    },
    async [Symbol.asyncDispose]() {
      worker.kill('SIGKILL');
      await ended(worker);
    },
  };
}
