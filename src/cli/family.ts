/**
 * The command and everything it started. They share their process group with dlock, and perhaps with
 * the script or pipeline that started dlock, so the group cannot be signalled. They are known by
 * descent, and by a mark in their environment: a process whose parent has ended is no descendant
 * any more, but still bears the mark.
 */
import { later, type Moment, now, pause, until } from '../base/clock.js';
import { growingPauses } from '../base/pauses.js';
import { eldersFirst, listProcesses, type Process, wordsGivenTo } from './processes.js';

/** The variable that holds the marks: one for each dlock around a process, the outermost first. */
export const markVariable = 'DLOCK_RUN';

/** The command itself, which this process started. */
export interface Root {
  readonly pid: number;
  /** Until its end is known here, its number is no other process's. */
  isRunning(): boolean;
}

/** How long the system may take to bury those that were killed, in milliseconds. */
const burial = 1_000;

export class Family {
  readonly #mark: string;
  readonly #known = new Map<number, string>();
  readonly #root: Root;
  /** Those that could not be signalled, and why. */
  readonly failures = new Map<number, string>();
  /** Whether the system has always listed its processes; if not, some may not have been signalled. */
  listed = true;

  /** @param mark the last word of {@link markVariable}, as the command was given it. */
  constructor(root: Root, mark: string) {
    this.#root = root;
    this.#mark = mark;
  }

  /** Asks all to end, and kills those that have not after `grace` milliseconds. */
  async end(grace: number): Promise<void> {
    const end = later(now(), grace);
    this.#signalAll('SIGTERM', 'SIGCONT');
    if (await this.#gone(end)) return;
    this.#signalAll('SIGKILL');
    await this.#gone(later(now(), burial), () => this.#signalAll('SIGKILL'));
  }

  /** Again and again, since those that are not yet reached go on starting others. */
  #signalAll(...signals: NodeJS.Signals[]): void {
    const reached = new Set<number>();
    for (let round = 0; round < 20; round++) {
      const living = this.#living().filter(({ pid }) => !reached.has(pid));
      if (living.length === 0) return;
      for (const { pid } of living) {
        reached.add(pid);
        for (const signal of signals) this.#signal(pid, signal);
      }
    }
  }

  #signal(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ESRCH') this.failures.set(pid, code ?? String(error));
    }
  }

  async #gone(end: Moment, meanwhile = () => {}): Promise<boolean> {
    const pauses = growingPauses(5, 100);
    for (;;) {
      const asked = now();
      if (this.#living().length === 0) return true;
      const listing = -until(asked);
      if (until(end) <= 0) return false;
      meanwhile();
      // Where there are so many processes that listing them takes long, less often.
      await pause(Math.min(Math.max(pauses.next().value, 4 * listing), until(end)));
    }
  }

  /** All that the system lists, and the command even where the system hides it. */
  #all(): Process[] {
    const listed = listProcesses();
    if (!listed) this.listed = false;
    const all = listed ?? [];
    const { pid } = this.#root;
    if (!this.#root.isRunning() || all.some((each) => each.pid === pid)) return all;
    return [{ pid, parent: process.pid, started: '' }, ...all];
  }

  /** Elders first: a shell must not find its child ended, and tell of it or go on to the next. */
  #living(): Process[] {
    const all = this.#all();
    const root = this.#root.isRunning() ? this.#root.pid : undefined;
    const isKnown = ({ pid, started }: Process) => pid === root || this.#known.get(pid) === started;
    const isMarked = ({ pid }: Process) => wordsGivenTo(pid, markVariable).includes(this.#mark);
    const family = new Set(all.filter((each) => isKnown(each) || isMarked(each)));
    const pids = new Set([...family].map(({ pid }) => pid));
    for (let size = -1; size !== family.size; ) {
      size = family.size;
      for (const each of all) {
        if (pids.has(each.parent)) family.add(each);
        if (family.has(each)) pids.add(each.pid);
      }
    }
    for (const { pid, started } of family) this.#known.set(pid, started);
    return eldersFirst([...family]);
  }
}
