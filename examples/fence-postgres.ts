/**
 * A worker whose late writes the database refuses. A process that was stopped for longer than its
 * ttl, and wakes up in mid-write, cannot be told in time: only what it writes to can turn it away.
 */
import { type LockStore, tryAcquire } from 'dlock-js';

/** Each row remembers the fence of the holder that wrote it last. */
export const table = `
  CREATE TABLE reports (
    name    text   PRIMARY KEY,
    content text   NOT NULL DEFAULT '',
    fence   bigint NOT NULL DEFAULT 0
  );
  INSERT INTO reports (name) VALUES ('sales');
`;

/** Compares and writes in one step. Who writes more than once under a lease compares with `<=`. */
const update = `
  UPDATE reports SET content = $2, fence = $1
  WHERE fence < $1 AND name = 'sales'
`;

/** As node-postgres has it: `(sql, values) => pool.query(sql, values)`. */
export type Query = (sql: string, values: unknown[]) => Promise<{ rowCount: number | null }>;

/** Writes the report anew, unless another worker is at it. */
export async function refreshReport(
  store: LockStore,
  query: Query,
  buildReport: (signal: AbortSignal) => Promise<string>,
): Promise<void> {
  await using lease = await tryAcquire(store, 'sales report');
  if (!lease) return;
  if (lease.fence === undefined) throw new Error('This needs a store that gives fences');

  const content = await buildReport(lease.signal);
  const { rowCount } = await query(update, [lease.fence, content]);

  // The row is always there. So it was refused: a newer holder was here, and its report stands.
  if (rowCount === 0) throw new Error(`A newer holder than fence ${lease.fence} was here`);
}
