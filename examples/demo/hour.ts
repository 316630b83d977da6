/** One hour of the demo: the servers wake for it, and what they report is recorded and shown. */
import { now, type Report, type Shift } from './messages.js';
import { hear, type Server } from './processes.js';
import type { Timeline } from './timeline.js';

/** When an import is killed, in milliseconds from its begin: long before its end. */
export const killAfter = 500;

/** One import. Moments are in milliseconds. */
export interface Run {
  readonly server: string;
  readonly fence: number | undefined;
  readonly begin: number;
  end: number;
  ending: 'none' | 'done' | 'killed';
}

/** All that is known of an hour when it is over. */
export interface HourRecord {
  readonly title: string;
  /** How its imports are to end, one after the other. */
  readonly plan: readonly Run['ending'][];
  readonly runs: readonly Run[];
  /** The servers that were told that another has the lock. */
  readonly refused: ReadonlySet<string>;
}

export class Hour implements HourRecord {
  readonly title: string;
  readonly story: string;
  readonly plan: readonly Run['ending'][];
  readonly runs: Run[] = [];
  readonly refused = new Set<string>();
  readonly #timeline: Timeline;

  constructor(timeline: Timeline, title: string, story: string, plan: readonly Run['ending'][]) {
    this.#timeline = timeline;
    this.title = title;
    this.story = story;
    this.plan = plan;
  }

  /** Lets the servers that are alive work, until all of them sleep again. */
  async conduct(servers: readonly Server[], shift: Shift): Promise<void> {
    this.#timeline.heading(shift.wake, `${this.title} ── ${this.story}`);
    const work = async (server: Server) => {
      const note = (report: Report) => this.#note(server, report, shift.minHold);
      server.process.on('message', note);
      server.process.send(shift);
      await hear(server, 'asleep');
      server.process.off('message', note);
    };
    await Promise.all(servers.filter((server) => !server.process.killed).map(work));
  }

  #note(server: Server, report: Report, minHold: number): void {
    const { at, type } = report;
    const run = this.runs.find((run) => run.server === server.name);
    if (type === 'woke') this.#timeline.show(server.lane, at, type);
    if (type === 'refused') this.#refuse(server, at);
    if (type === 'granted') this.#begin(server, at, report.fence);
    if (type === 'done' && run) this.#end(server, run, at, type);
    // The lock of a server that is done stays taken for a while, and its lane shows that.
    if (type === 'asleep') this.#timeline.show(server.lane, run ? run.begin + minHold : at, type);
  }

  #refuse({ name, lane }: Server, at: number): void {
    if (!this.refused.has(name)) this.#timeline.show(lane, at, 'refused');
    this.refused.add(name);
  }

  #begin(server: Server, at: number, fence: number | undefined): void {
    const run: Run = { server: server.name, fence, begin: at, end: Infinity, ending: 'none' };
    const takesOver = this.runs.some(({ ending }) => ending === 'killed');
    this.#timeline.show(server.lane, at, takesOver ? 'tookOver' : 'granted', fence);
    if (this.plan[this.runs.length] === 'killed')
      setTimeout(() => this.#kill(server, run), killAfter);
    this.runs.push(run);
  }

  #kill(server: Server, run: Run): void {
    if (run.ending !== 'none') return;
    server.process.kill('SIGKILL');
    this.#end(server, run, now(), 'killed');
  }

  #end({ lane }: Server, run: Run, at: number, ending: 'done' | 'killed'): void {
    Object.assign(run, { end: at, ending });
    this.#timeline.show(lane, at, ending);
  }
}
