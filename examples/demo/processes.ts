/** The servers as their parent sees them: processes that it starts, listens to, and kills. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Report } from './messages.js';

export interface Server {
  readonly name: string;
  /** Where the timeline shows it. */
  readonly lane: number;
  readonly process: ChildProcess;
}

/** `fail` is told of what a server cannot go on after, and of an end that was not our doing. */
export function startServer(
  lane: number,
  storeArguments: string[],
  fail: (reason: string) => void,
): Server {
  const name = `server ${lane + 1}`;
  const child = fork(new URL('server.ts', import.meta.url), storeArguments);
  child.on('message', (report: Report) => {
    if (report.type === 'failed') fail(report.message);
  });
  child.once('exit', () => {
    if (!child.killed) fail(`${name} ended unexpectedly`);
  });
  return { name, lane, process: child };
}

/** Resolves when the server has reported that, or is dead. */
export function hear(server: Server, type: Report['type']): Promise<void> {
  return new Promise((resolve) => {
    server.process.on('message', (report: Report) => {
      if (report.type === type) resolve();
    });
    server.process.once('exit', () => resolve());
  });
}
