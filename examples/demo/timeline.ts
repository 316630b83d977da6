/** Draws what happens: time runs down, one lane a server, a row each quarter of a second. */
import { WriteStream } from 'node:tty';
import { now, sleepUntil } from './messages.js';

const step = 250;
const width = 80;
const axisWidth = 6;
const laneWidth = 25;

/** How each event looks: a row for each cell, the last of them until something else happens. */
const looks = {
  woke: () => ['○ wakes', '│'],
  refused: () => ['· refused, steps back', '· tries again', '·'],
  granted: (fence: string) => ['█ granted, imports', `█ fence ${fence}`, '█'],
  tookOver: (fence: string) => ['█ takes over', `█ fence ${fence}`, '█'],
  killed: () => ['✗ killed', ' '],
  done: () => ['✓ done', '░ lock stays taken', '░'],
  asleep: () => ['│'],
};

/** How to colour what begins with a character (ECMA-48, "Select Graphic Rendition"). */
const colours: Record<string, string> = {
  '─': '1',
  '│': '2',
  '○': '1',
  '·': '33',
  '█': '32',
  '✗': '1;31',
  '✓': '1;32',
  '░': '2;32',
};

const inColour =
  (process.stdout.isTTY || process.env.FORCE_COLOR !== undefined) &&
  WriteStream.prototype.hasColors();

interface Lane {
  readonly pending: { readonly at: number; readonly cells: string[] }[];
  /** The cells of the rows to come; the last of them stays. */
  cells: string[];
}

export class Timeline {
  readonly #origin: number;
  readonly #lanes: Lane[];
  readonly #headings = new Map<number, string>();
  #running = true;

  /** `origin`: the moment at which the axis begins. */
  constructor(origin: number, titles: string[]) {
    this.#origin = origin;
    this.#lanes = titles.map(() => ({ pending: [], cells: ['│'] }));
    console.log(inLanes('', titles));
  }

  /** A line across, before the row of the moment `at`. */
  heading(at: number, text: string): void {
    this.#headings.set(Math.round((at - this.#origin) / step), text);
  }

  /** `at` may lie ahead. */
  show(lane: number, at: number, event: keyof typeof looks, fence: number | string = '–'): void {
    this.#lanes[lane]?.pending.push({ at, cells: looks[event](String(fence)) });
  }

  /** Nothing more will happen. */
  end(): void {
    this.#running = false;
  }

  /** Prints row after row, until the end. */
  async draw(): Promise<void> {
    for (let row = 0; this.#running || this.#lanes.some(isBusy); row++) {
      const end = this.#origin + (row + 1) * step;
      await sleepUntil(end);
      const heading = this.#headings.get(row);
      if (heading) console.log(paint(`── ${heading} `.padEnd(width, '─')));
      const seconds = (row * step) / 1_000;
      const cells = this.#lanes.map((lane) => nextCell(lane, end));
      console.log(inLanes(Number.isInteger(seconds) ? `${seconds} s` : '', cells));
    }
  }
}

/** What happened before `end` follows on what was to be drawn anyway: so each event gets its row. */
function nextCell(lane: Lane, end: number): string {
  while (lane.pending[0] && lane.pending[0].at < end) {
    lane.cells.splice(-1, 1, ...lane.pending[0].cells);
    lane.pending.shift();
  }
  return (lane.cells.length > 1 ? lane.cells.shift() : lane.cells[0]) ?? '';
}

function isBusy({ pending, cells }: Lane): boolean {
  return cells.length > 1 || pending.some(({ at }) => at < now());
}

function inLanes(axis: string, cells: string[]): string {
  const lanes = cells.map((cell) => paint(cell.padEnd(laneWidth))).join('');
  return (axis.padStart(axisWidth - 2).padEnd(axisWidth) + lanes).trimEnd();
}

export function paint(text: string): string {
  const colour = inColour && colours[text.charAt(0)];
  return colour ? `\x1b[${colour}m${text}\x1b[0m` : text;
}
