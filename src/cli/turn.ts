/** One turn at the lock: taking it, running the command under it, and giving it back. */
import { shown } from '../base/shown.js';
import {
  type AcquireOptions,
  AcquireTimeoutError,
  acquireAll,
  type Lease,
  type Leases,
  type LockStore,
  locked,
  once,
  StoreError,
} from '../index.js';
import type { Settings } from './arguments.js';
import { attend } from './attend.js';
import { durationOf } from './duration.js';
import { type Ending, exits } from './exits.js';
import type { Narrator } from './narrator.js';
import type { Opened } from './opening.js';
import type { Signals } from './signals.js';

/** The command failed, or was stopped: the period of `--once` is not done. */
export class CommandFailed extends Error {
  constructor(readonly ending: Ending) {
    super(`The command ended with ${ending}`);
  }
}

export interface Turn {
  /**
   * Resolves to how dlock is to end, when the lock was given back or could not be had. Rejects with
   * a CommandFailed, a StartError, an Interrupted, or what the library throws.
   */
  readonly over: Promise<Ending>;
  /**
   * Resolves when the command has ended or was stopped, to how dlock is to end for that; undefined
   * where it could not be started. Never, where the lock is not had.
   */
  readonly commandEnded: Promise<Ending | undefined>;
  /** Resolves when the store has said that it holds nothing for us; rejects where that is in doubt. */
  readonly givenBack: Promise<unknown>;
}

export function takeTurn(
  opened: Opened,
  settings: Settings,
  signals: Signals,
  narrator: Narrator,
): Turn {
  let reportEnd = (_: Promise<Ending | undefined>) => {};
  const commandEnded = new Promise<Ending | undefined>((resolve) => {
    reportEnd = resolve;
  });
  let succeeded = false;
  let held: Lease | Leases | undefined;
  const body = async (lease: Lease | Leases) => {
    held = lease;
    const running = attend(lease, settings, signals, narrator);
    reportEnd(running.catch(() => undefined));
    const ending = await running;
    if (ending !== exits.success) throw new CommandFailed(ending);
    succeeded = true;
  };
  const over = underLocks(opened, settings, signals, body).then(
    (outcome) => endingOf(outcome, settings, narrator),
    (error) => {
      // That the command has succeeded counts; what the others are left with is told in the end.
      if (succeeded && error instanceof StoreError) return exits.success;
      throw error;
    },
  );
  // It was released by then: this is what the store said to that.
  const givenBack = over.catch(() => {}).then(() => held?.release());
  return { over, commandEnded, givenBack };
}

type Result = { ran: true } | { ran: false; reason: 'held' | 'done' };

function underLocks(
  { store, wait }: Opened,
  { name, also, ttl, minHold, limit, period, retain }: Settings,
  { interruption: signal }: Signals,
  body: (held: Lease | Leases) => Promise<void>,
): Promise<Result> {
  const options = { ttl, wait, minHold, signal };
  if (also.length > 0) return underAll(store, [name, ...also], { ...options, limit }, body);
  if (period === undefined) return locked(store, name, body, { ...options, limit });
  return once(store, name, period, body, { ...options, retain });
}

/** As `locked`, for several locks. */
async function underAll(
  store: LockStore,
  names: readonly string[],
  options: AcquireOptions,
  body: (held: Leases) => Promise<void>,
): Promise<Result> {
  const leases = await acquireAll(store, names, options).catch((error) => {
    if (error instanceof AcquireTimeoutError) return undefined;
    throw error;
  });
  if (!leases) return { ran: false, reason: 'held' };
  try {
    await body(leases);
  } catch (error) {
    await leases[Symbol.asyncDispose]();
    throw error;
  }
  if (!(await leases.release())) throw leases.signal.reason;
  return { ran: true };
}

function endingOf(outcome: Result, settings: Settings, narrator: Narrator): Ending {
  const { wait, also, period = '', heldExit } = settings;
  narrator.waited();
  if (outcome.ran) return exits.success;
  if (outcome.reason === 'done') {
    narrator.tell('news', `another run has succeeded for the period ${shown(period)}`);
    return exits.success;
  }
  const what = also.length > 0 ? 'it, or one of those besides' : 'it';
  const longer = `another still holds ${what} after ${durationOf(wait)}`;
  narrator.tell('news', wait > 0 ? longer : `another holds ${what}`);
  return heldExit;
}
