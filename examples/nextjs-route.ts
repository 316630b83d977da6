/**
 * A route handler of Next.js, `app/api/report/route.ts`, that rebuilds a report, on one server at a time. The store
 * and its client live on `globalThis`: the development server reloads this file whenever it changes, and would
 * otherwise open another connection each time.
 */
import { locked } from 'dlock-js';
import { RedisStore } from 'dlock-js/redis';
import { createClient } from 'redis';

// Dlock needs TCP or files, which the edge runtime does not have.
export const runtime = 'nodejs';

function openLocks() {
  const client = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
  client.on('error', console.error);
  // Commands that are issued before it is connected are sent once it is.
  client.connect().catch(console.error);
  return { client, store: new RedisStore(client) };
}

// The store as well as the client: through one store, the waiters for a lock share a line and a connection.
const kept = globalThis as typeof globalThis & { locks?: ReturnType<typeof openLocks> };

/** Opened by the first request: `next build` loads this file too, where there may be no Redis. */
function locks() {
  kept.locks ??= openLocks();
  return kept.locks;
}

export async function POST(request: Request): Promise<Response> {
  const outcome = await locked(locks().store, 'report', ({ signal }) =>
    // The signal of the request aborts when the client hangs up.
    buildReport(AbortSignal.any([signal, request.signal])),
  );
  if (outcome.ran) return Response.json(outcome.value);
  return Response.json({ error: 'The report is being built' }, { status: 409 });
}

/** Stands for the real work, which must stop when `signal` aborts. */
async function buildReport(signal: AbortSignal): Promise<{ rows: number }> {
  const rows = await countRows();
  signal.throwIfAborted();
  return { rows };
}

/** Stands for a query. */
async function countRows(): Promise<number> {
  return 42;
}
