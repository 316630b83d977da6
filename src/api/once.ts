/** Running a piece of work once for each period, on whichever server comes first. */

import { askToAcquire, askToExtend, type Claim, newClaim } from '../asking/ask.js';
import {
  checkBody,
  checkLock,
  checkPeriod,
  type OnceOptions,
  onceOptions,
  readTerms,
  type Terms,
} from '../asking/terms.js';
import { checkTime } from '../base/arguments.js';
import { clock, pause } from '../base/clock.js';
import { LeaseLostError, StoreError } from '../base/errors.js';
import { lockNamed, periodLock } from '../base/names.js';
import type { Lease } from '../lease/lease.js';
import type { LockStore } from '../store.js';
import { acquireInLine, attempt, inTime } from './acquire.js';
import { type Outcome, runUnder } from './locked.js';
import { checkRecording, PeriodRun, type Run } from './run.js';

/**
 * What holds the lock of a period that is done: a token that everybody knows. So a period that is
 * done is told from one whose runner has died and whose lease has not lapsed yet.
 */
const doneToken = 'done';

/** How much longer than its ttl a store may keep a lock, in milliseconds: Memcached's whole seconds. */
const rounding = 3_000;

/** What came of an attempt at a period. */
interface Ended<T> {
  readonly outcome: Outcome<T, 'held' | 'done'>;
  /** The body has recorded it with its results: they stand, whatever became of the lease. */
  readonly stands: boolean;
}

/**
 * Runs `body` unless it has been run for this period, which gives `{ ran: false, reason: 'done' }`. While
 * another process runs it, the outcome is `{ ran: false, reason: 'held' }`, unless `wait` says to wait. A
 * body that fails, or whose process dies, leaves the period free: another server may run it.
 *
 * ```ts
 * await once(store, 'import', '2026-11-24T05', (lease) => runImport(lease.signal));
 * ```
 *
 * It holds the lock `name` and, under it, another that stands for the period and that no caller's name can
 * reach. It may wait longer than `wait` for that one: if the last runner died, its lease on the period lapses
 * a little after the one on the lock.
 *
 * If the store keeps its locks in the same database as the body's results, the body can use `run` to record
 * its period in the transaction that holds the results: then it is run exactly once, whatever fails at
 * whatever moment.
 *
 * @param period names the period, as the scheduler knows it; never taken from this machine's clock,
 * which may differ from that of the next server.
 * @param options `minHold` counts only after a body that succeeded, unlike with `locked`: a period whose body
 * failed is still to be done, and another server must be able to run it at once.
 * @throws what `body` threw, whatever became of the lease.
 * @throws {@link LeaseLostError} the body is done, but a lease was lost before: another may run it.
 * @throws {@link StoreError} also if the body is done, but that could not be recorded.
 * @throws TypeError for invalid arguments, before any request, including a body that takes `run` on a store
 * without `record`.
 */
export async function once<T>(
  store: LockStore,
  name: string,
  period: string,
  body: (lease: Lease, run: Run) => T | Promise<T>,
  options: OnceOptions = {},
): Promise<Outcome<T, 'held' | 'done'>> {
  checkLock(store, name);
  checkPeriod(name, period);
  checkBody(name, body);
  const terms = readTerms(store, name, options, onceOptions);
  const { retain = 24 * 3_600_000 } = options;
  checkRecording(name, store, body);
  checkTime(lockNamed(name), 'retain', retain, 1, store.maxTtl);
  const lease = await acquireInLine(store, name, { ...terms, minHold: 0 });
  if (!lease) return { ran: false, reason: 'held' };
  const start = clock.monotonic();
  const { timeout } = terms;
  const done = newClaim(store, periodLock(name, period), doneToken, { ttl: retain, timeout });
  const run = () => runPeriod(lease, done, terms, body);
  const { outcome } = await runUnder(lease, run, {
    after: ({ outcome }) => (outcome.ran ? terms.minHold - (clock.monotonic() - start) : 0),
    stands: ({ stands }) => stands,
  });
  return outcome;
}

async function runPeriod<T>(
  lease: Lease,
  done: Claim,
  terms: Terms,
  body: (lease: Lease, run: Run) => T | Promise<T>,
): Promise<Ended<T>> {
  const periodLease = await acquirePeriod(done, { ...terms, minHold: 0 });
  if ('ran' in periodLease) return { outcome: periodLease, stands: false };
  const run = new PeriodRun(lease, periodLease, done);
  try {
    const value = await runUnder(periodLease, () => body(lease, run));
    const outcome = { ran: true, value } as const;
    if (await run.isRecorded()) return { outcome, stands: true };
    await record(lease, done);
    return { outcome, stands: false };
  } finally {
    await run.giveBack();
  }
}

/** Notes that the period is done, and tries again for as long as the lock is held. */
async function record(lease: Lease, done: Claim): Promise<void> {
  for (;;) {
    try {
      // The store is asked whether the lock is still ours: whose lease was lost has nothing to record.
      await lease.extend();
      if ((await askToAcquire(done)).granted) return;
      throw new LeaseLostError(
        `Somebody took ${lockNamed(done.name)} before it was recorded as done`,
        { lock: lease.name },
      );
    } catch (error) {
      if (!(error instanceof StoreError) || !lease.held) throw error;
      await pause(100);
    }
  }
}

/** The lease on the period, or why it cannot be had. */
async function acquirePeriod(
  done: Claim,
  terms: Terms,
): Promise<Lease | Outcome<never, 'held' | 'done'>> {
  const { store, name, ttl: retain } = done;
  const held = { ran: false, reason: 'held' } as const;
  // The last runner may have died, and its lease on the period lapses a little after that on the name.
  const wait = terms.ttl + rounding;
  const isRunners = (life: number | undefined) =>
    life !== undefined && life <= wait && retain > wait;
  let outcome = await attempt(store, name, terms);
  if ('granted' in outcome && isRunners(outcome.retryAfter)) {
    // Nothing may be asked by the known token yet: that would set the life of the mark which this runner
    // may be about to leave to what is left of its lease.
    const lease = await acquireInLine(store, name, { ...terms, wait });
    if (lease) return lease;
    outcome = await attempt(store, name, terms);
    if ('granted' in outcome && isRunners(outcome.retryAfter)) return held;
  }
  if (!('granted' in outcome)) return inTime(outcome);
  const { retryAfter: life } = outcome;
  // To extend by the known token is to ask for it; the life that it has left stays as it is.
  if (await askToExtend(done, Math.ceil(life ?? retain))) return { ran: false, reason: 'done' };
  if (life !== undefined) return held;
  return (await acquireInLine(store, name, { ...terms, wait })) ?? held;
}
