/** The table of the locks, as the server is asked about it. */
import { clock, longestTimer } from '../../base/clock.js';
import { shown } from '../../base/shown.js';
import type { PostgresQuery } from './clients.js';
import { noSuchTable, sqlStateOf, undone } from './errors.js';
import { acquireInTurn, releaseInTurn } from './in-turn.js';
import { createTable, quotedTable } from './schema.js';
import { acquire, extend, notify, release, sweep, watch } from './statements.js';

export type Row = Readonly<Record<string, unknown>>;

const statements = {
  acquire,
  acquireInTurn,
  extend,
  release,
  releaseInTurn,
  watch,
  notify,
  sweep,
};

/** How often a statement is sent in all, within the time limit. */
const most = 50;

export class Table {
  readonly #query: PostgresQuery;
  readonly #name: string;
  /** Of each operation, in milliseconds. */
  readonly #timeout: number;
  readonly #texts = new Map<string, string>();

  /** @throws TypeError or RangeError for a name that is none of a table. */
  constructor(query: PostgresQuery, name: string, timeout: number) {
    this.#query = query;
    this.#name = quotedTable('PostgresStore', name);
    this.#timeout = Math.min(timeout, longestTimer);
  }

  /** What the server says it has undone is sent again. */
  async run(operation: keyof typeof statements, ...values: string[]): Promise<readonly Row[]> {
    const end = clock.monotonic() + this.#timeout;
    for (let times = 1; ; times++) {
      try {
        return rowsOf(await this.#query(this.#text(operation), [...values, `${this.#timeout}`]));
      } catch (error) {
        const state = sqlStateOf(error) ?? '';
        if (state === noSuchTable) throw this.#missing(error);
        if (!undone.has(state) || times === most || clock.monotonic() >= end) throw error;
      }
    }
  }

  #text(operation: keyof typeof statements): string {
    const text = this.#texts.get(operation) ?? statements[operation](this.#name);
    this.#texts.set(operation, text);
    return text;
  }

  /** An error with the same code. */
  #missing(cause: unknown): Error {
    const how = `make it, as by a migration:\n${createTable(this.#name)};`;
    const error = new Error(`there is no table ${this.#name} on the search_path; ${how}`, {
      cause,
    });
    return Object.assign(error, { code: noSuchTable });
  }
}

function rowsOf(answer: Awaited<ReturnType<PostgresQuery>>): readonly Row[] {
  const rows = 'rows' in Object(answer) ? (answer as { rows: unknown }).rows : answer;
  const areRows = Array.isArray(rows) && rows.every((row) => Object(row) === row);
  if (areRows) return rows as Row[];
  throw new TypeError(`the query should answer rows, not ${shown(answer)}`);
}
