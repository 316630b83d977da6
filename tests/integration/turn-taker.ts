/** Processes that take turns, from the side of the test. */
import { once } from 'node:events';
import { startWorker } from '../support/workers.js';

const file = new URL('./workers/turn-taker.ts', import.meta.url);

export interface Outcome {
  fences: number[];
  times: number[];
  ends: number[];
  longestWait: number;
}

/** A process that waits for its start. */
export async function startTaker(
  client: string,
  url: string,
  name: string,
  work = 20,
  duration = 0,
  limit = 1,
) {
  const child = startWorker(file, client, url, name, `${work}`, `${duration}`, `${limit}`);
  await once(child, 'message');
  const outcome = once(child, 'message').then(([told]) => told as Outcome);
  return {
    child,
    begin: () => child.send('begin'),
    outcome: () => outcome,
    async end(signal: NodeJS.Signals) {
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
  };
}
