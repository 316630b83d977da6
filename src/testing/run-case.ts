/** Runs one case, and closes what it has opened. */
import type { Case, Context } from './fixture.js';

/** What a case is given, but for what is made for each run of it. */
export type CaseContext = Omit<Context, 'watchLock'>;

/** What is left open by a case that fails would keep the process of the tests alive. */
export async function runCase(run: Case['run'], context: CaseContext): Promise<void> {
  const stops = new Set<() => Promise<void>>();
  const watchLock: Context['watchLock'] = async (store, wake = () => {}) => {
    const watch = await store.watch?.(context.lock, wake);
    if (!watch) throw new Error('The store has no watch');
    const stop = async () => {
      if (stops.delete(stop)) await watch[Symbol.asyncDispose]();
    };
    stops.add(stop);
    return stop;
  };
  try {
    await run({ ...context, watchLock });
  } finally {
    for (const stop of stops) await stop();
  }
}
