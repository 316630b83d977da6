/** The removal of rows that nobody needs: of locks which nobody has held for a day. */
import { idlePause } from '../../base/clock.js';
import type { Query } from '../../store.js';
import { columnOf } from '../rows.js';
import { batch, type Statements } from './statements.js';

/** Between two batches, in milliseconds. */
const rest = 100;

/** They are looked for without a lock, so that nobody waits for the search. */
export async function removeStale(query: Query, statements: Statements): Promise<void> {
  for (;;) {
    const stale = statements.stale();
    const ids = columnOf(await query(stale.text, stale.values)).map(String);
    if (ids.length === 0) return;
    const removal = statements.remove(ids);
    await query(removal.text, removal.values);
    if (ids.length < batch) return;
    await idlePause(rest);
  }
}
