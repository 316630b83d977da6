/** The table of the locks, as the server is asked about it. */
import { clock, longestTimer } from '../../base/clock.js';
import type { Query } from '../../store.js';
import { columnOf, rowsOf } from '../rows.js';
import type { PostgresQuery } from './clients.js';
import { noSuchTable, sqlStateOf, undone } from './errors.js';
import { acquireInTurn, releaseInTurn } from './in-turn.js';
import { createTable, quotedTable } from './schema.js';
import { acquire, extend, notify, pass, relay, release, sweep, watch } from './statements.js';

export type Row = Readonly<Record<string, unknown>>;

const statements = {
  acquire,
  acquireInTurn,
  extend,
  relay,
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
        const answer = await this.#query(this.#text(operation), [...values, `${this.#timeout}`]);
        return rowsOf(answer) as readonly Row[];
      } catch (error) {
        const state = sqlStateOf(error) ?? '';
        if (state === noSuchTable) throw this.#missing(error);
        if (!undone.has(state) || times === most || clock.monotonic() >= end) throw error;
      }
    }
  }

  /** Asks through a query of the caller's, in whatever form that answers. */
  async pass(query: Query, ...values: string[]): Promise<boolean> {
    return columnOf(await query(pass(this.#name), values)).length === 1;
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
