/** One turn at the lock: taking it, running the command under it, and giving it back. */
import { shown } from '../base/shown.js';
import { type Lease, locked, once, StoreError } from '../index.js';
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
  let held: Lease | undefined;
  const body = async (lease: Lease) => {
    held = lease;
    const running = attend(lease, settings, signals, narrator);
    reportEnd(running.catch(() => undefined));
    const ending = await running;
    if (ending !== exits.success) throw new CommandFailed(ending);
    succeeded = true;
  };
  const over = underLock(opened, settings, signals, body).then(
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

function underLock(
  { store, wait }: Opened,
  { name, ttl, minHold, limit, period, retain }: Settings,
  { interruption: signal }: Signals,
  body: (lease: Lease) => Promise<void>,
): Promise<Result> {
  const options = { ttl, wait, minHold, signal };
  if (period === undefined) return locked(store, name, body, { ...options, limit });
  return once(store, name, period, body, { ...options, retain });
}

function endingOf(outcome: Result, settings: Settings, narrator: Narrator): Ending {
  const { wait, period = '', heldExit } = settings;
  narrator.waited();
  if (outcome.ran) return exits.success;
  if (outcome.reason === 'done') {
    narrator.tell('news', `another run has succeeded for the period ${shown(period)}`);
    return exits.success;
  }
  const longer = `another still holds it after ${durationOf(wait)}`;
  narrator.tell('news', wait > 0 ? longer : 'another holds it');
  return heldExit;
}
