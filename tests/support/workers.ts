/** Runs a TypeScript file of the tests in a process of its own, with a channel for messages. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const workers = new Set<ChildProcess>();
process.once('exit', () => {
  for (const worker of workers) worker.kill('SIGKILL');
});
// So the test runner ends a file that takes too long.
process.once('SIGTERM', () => process.exit(143));

export function startWorker(file: URL, ...args: string[]): ChildProcess {
  const worker = fork(file, args, { execArgv: ['--import', 'tsx'] });
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
  return worker;
}

/** Resolves to the exit code, or the signal, of a worker. */
export async function ended(worker: ChildProcess): Promise<number | NodeJS.Signals> {
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit');
  return worker.exitCode ?? worker.signalCode ?? NaN;
}
