/**
 * The end of dlock's own process. Whoever started it looks at how it ended: a shell leaves its loop
 * only if its child died of Ctrl-C, and systemd counts SIGTERM as a clean stop, but no exit code of 143.
 */
import { spawnSync } from 'node:child_process';
import { type Ending, exitOfSignal } from './exits.js';

/** Those that dump core by default. */
const dumping: ReadonlySet<Ending> = new Set([
  'SIGQUIT',
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
  'SIGXCPU',
  'SIGXFSZ',
  'SIGSYS',
] satisfies NodeJS.Signals[]);

/**
 * Ends this process at once. Where it cannot die of the signal, as the first process of a container,
 * or only with a core dump, it exits with the code that a shell reports for that signal.
 */
export function end(ending: Ending): never {
  if (typeof ending === 'number') process.exit(ending);
  if (!dumping.has(ending) || withoutCore()) {
    restoreDefault(ending);
    process.kill(process.pid, ending);
  }
  process.exit(exitOfSignal(ending));
}

/** Node.js ignores some signals itself; the system's default is back once it has lost a listener. */
function restoreDefault(signal: NodeJS.Signals): void {
  if (signal === 'SIGKILL') return;
  process.on(signal, () => {});
  process.removeAllListeners(signal);
}

/**
 * Whether no core of this process will be dumped: it would say nothing about the command, and
 * overwrite the command's own. A limit of one byte also holds where cores are piped to a program.
 */
function withoutCore(): boolean {
  const script = 'prlimit --pid "$PPID" --core=1: || test "$(ulimit -c)" = 0';
  return spawnSync('/bin/sh', ['-c', script], { stdio: 'ignore' }).status === 0;
}
