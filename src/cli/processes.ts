/** The processes of this machine, as the system lists them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Tells apart two processes that had the same number one after the other. */
  readonly started: string;
}

/**
 * All that live; what has ended, and was not waited for by its parent, does not. Undefined: the system
 * does not list them, or its list lacks this very process.
 */
export function listProcesses(): Process[] | undefined {
  const all = process.platform === 'linux' ? listProc() : listByPs();
  return all.some(({ pid }) => pid === process.pid) ? all : undefined;
}

/** Linux: see proc(5). Nothing where /proc is hidden, or belongs to another namespace of numbers. */
export function listProc(): Process[] {
  try {
    if (readlinkSync('/proc/self') !== `${process.pid}`) return [];
    return readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .flatMap((pid) => parseStat(Number(pid), read(`/proc/${pid}/stat`)));
  } catch {
    return [];
  }
}

/** The name of the program, in parentheses, may hold anything; the rest is numbers and one letter. */
function parseStat(pid: number, stat: string): Process[] {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, parent, started] = [fields[0], fields[1], fields[19]];
  if (!state || !parent || !started || /[ZX]/.test(state)) return [];
  return [{ pid, parent: Number(parent), started }];
}

/** Any other Unix. */
export function listByPs(): Process[] {
  const columns = ['pid=', 'ppid=', 'stat=', 'lstart='].flatMap((column) => ['-o', column]);
  const { stdout } = spawnSync('ps', ['-A', ...columns], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [, pid, parent, state, started] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (!pid || !parent || !started || state?.startsWith('Z')) return [];
    return [{ pid: Number(pid), parent: Number(parent), started }];
  });
}

/**
 * In an order in which nobody follows its own child. Numbers do not tell: once the highest was given, the
 * system goes on with the lowest that are free.
 */
export function eldersFirst(processes: readonly Process[]): Process[] {
  const waiting = new Map(processes.map((each) => [each.pid, each]));
  const ordered: Process[] = [];
  for (const each of processes) {
    const line: Process[] = [];
    for (let next: Process | undefined = each; next && waiting.delete(next.pid); ) {
      line.unshift(next);
      next = waiting.get(next.parent);
    }
    ordered.push(...line);
  }
  return ordered;
}

/** The words of a variable that a process was given; only Linux tells, and only of our own processes. */
export function wordsGivenTo(pid: number, variable: string): string[] {
  if (process.platform !== 'linux') return [];
  const environment = read(`/proc/${pid}/environ`).split('\0');
  const entry = environment.find((each) => each.startsWith(`${variable}=`));
  return entry?.slice(variable.length + 1).split(' ') ?? [];
}

/** Empty where there is no such file (any more), or it is not ours to read. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
