/** The code of a process that leads, as long as it can. */
import type { Lease } from '../../src/index.js';
import { bodyFailed, type Hands } from './hands.js';
import type { Lead } from './script.js';
import type { Tenure } from './tenure.js';
import { must } from './violation.js';

/** How a body came to its end. */
interface Ending {
  /** The lease was held, and the body not told to end. */
  readonly isSound: boolean;
  readonly hasFailed: boolean;
}

export async function lead(hands: Hands, action: Lead): Promise<void> {
  const { process, connection, judge, world } = hands;
  const { name, ttl, body, abortAfter, lag, echo } = action;
  const { store } = connection;
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error('enough');
  judge.listensTo(process, signal);
  const call = judge.call(process, 'lead');
  let terms = 0;
  let running: Tenure | undefined;
  let before: Tenure | undefined;
  let last: Ending | undefined;

  const run = async (lease: Lease): Promise<number> => {
    must(!running, 'a process never runs two bodies at once', process.name);
    must(!last?.hasFailed, 'a body that failed runs no more', process.name);
    if (before) judge.hasLeft(before);
    terms += 1;
    if (terms > 1) world.tell('leads again', process.name);
    const tenure = hands.hold(lease, 1, true);
    running = tenure;
    await passes(hands, lease.signal, body.ms, lag);
    const isTold = lease.signal.aborted;
    const { wasHeld } = hands.leave(tenure);
    const isHeld = wasHeld || tenure.fate === 'handed over';
    const hasFailed = isTold ? echo === 'fails' : body.fails;
    running = undefined;
    before = tenure;
    last = { isSound: isHeld && !isTold, hasFailed };
    if (signal.aborted) judge.mustEnd(call, 2 * store.timeout);
    if (hasFailed) throw bodyFailed;
    if (isTold && echo === 'throws the reason') throw lease.signal.reason;
    if (isTold && echo === 'throws an AbortError') throw new DOMException('told', 'AbortError');
    return terms;
  };

  if (abortAfter !== undefined) {
    hands.later(abortAfter, async () => {
      controller.abort(reason);
      if (!judge.calls.has(call)) return;
      if (!running) judge.mustEnd(call, 2 * store.timeout);
      else must(running.lease.signal.aborted, 'a leader is told to end', process.name);
    });
  }
  await hands.expecting(call, [reason, bodyFailed], async () => {
    try {
      const value = await process.core.lead(store, name, run, { ttl, signal });
      const isOurs = value === terms && last?.isSound === true && !last.hasFailed;
      must(isOurs, 'only who holds the lock to the end resigns', `term ${value} of ${terms}`);
      world.tell('resigned', process.name);
    } catch (error) {
      if (error === bodyFailed) must(last?.hasFailed === true, 'a fault is of the last body', name);
      if (error === reason) must(signal.aborted && !last?.hasFailed, 'a fault is not hidden', name);
      throw error;
    } finally {
      must(!running, 'a leader ends with its body', process.name);
      if (before) judge.hasLeft(before);
    }
  });
}

/** Resolves after `ms`, or `lag` after the signal has aborted. */
async function passes({ process }: Hands, signal: AbortSignal, ms: number, lag: number) {
  await new Promise<void>((resolve) => {
    process.later(ms, resolve);
    const onAbort = () => process.later(lag, resolve);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
