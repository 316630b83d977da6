/** The removal of rows that nobody needs: of locks which nobody has held for a day. */
import { clock, idlePause } from '../../base/clock.js';
import { outsideCallers } from '../../base/context.js';
import type { Query } from '../../store.js';
import { columnOf } from '../rows.js';
import { batch, type Statements } from './statements.js';

/** The least time between the beginnings of two sweeps of a store, in milliseconds. */
const pause = 3_600_000;
/** Between two batches, in milliseconds. */
const rest = 100;

export class Sweep {
  readonly #query: Query;
  readonly #statements: Statements;
  #begun = -Infinity;

  constructor(query: Query, statements: Statements) {
    this.#query = query;
    this.#statements = statements;
  }

  /** Sweeps in the background, unless that was done within the hour. */
  begin(): void {
    const at = clock.monotonic();
    if (at < this.#begun + pause) return;
    this.#begun = at;
    outsideCallers(() => {
      // What it leaves, because the server is in trouble or refuses, the next one removes.
      this.#sweep().catch(() => {});
    });
  }

  /** They are looked for without a lock, so that nobody waits for the search. */
  async #sweep(): Promise<void> {
    for (;;) {
      const stale = this.#statements.stale();
      const ids = columnOf(await this.#query(stale.text, stale.values)).map(String);
      if (ids.length === 0) return;
      const removal = this.#statements.remove(ids);
      await this.#query(removal.text, removal.values);
      if (ids.length < batch) return;
      await idlePause(rest);
    }
  }
}
