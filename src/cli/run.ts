/** The story of one run: the store is opened, the command has its turn at the lock, and dlock ends in time. */
import { within } from '../base/time-limit.js';
import { type LockStore, settled } from '../index.js';
import type { Settings } from './arguments.js';
import { durationOf } from './duration.js';
import { type Ending, exits } from './exits.js';
import { explain } from './explain.js';
import type { Messages } from './messages.js';
import { Narrator } from './narrator.js';
import { openStore } from './opening.js';
import { Signals } from './signals.js';
import { takeTurn } from './turn.js';

/**
 * How long the store may take when all is done but to tell it so, in milliseconds: longest where
 * that keeps a period from being run again.
 */
const patience = { periodDone: 5_000, commandEnded: 2_000, otherwise: 500 };

/**
 * Resolves to how dlock is to end, when nothing is left to do: as the command did, by the signal that
 * came while there was none, or with an exit code that says what went wrong.
 */
export async function run(settings: Settings, messages: Messages): Promise<Ending> {
  const narrator = new Narrator(settings, messages);
  const signals = new Signals();
  try {
    const opened = await signals.unlessInterrupted(openStore(settings, narrator));
    const { store } = opened;
    const turn = takeTurn(opened, settings, signals, narrator);
    const outcome = signals.unlessInterrupted(turn.over).catch((error) => explain(error, narrator));
    const told = turn.givenBack.catch(() => settled(store));
    return await endInTime({ ...turn, store, outcome, told }, settings, narrator);
  } catch (error) {
    return explain(error, narrator);
  }
}

interface Endings {
  readonly store: LockStore;
  readonly commandEnded: Promise<Ending | undefined>;
  /** How dlock is to end, once the lock was given back, or if it cannot be had. */
  readonly outcome: Promise<Ending>;
  /** Resolves when the store knows that the lock is given back. */
  readonly told: Promise<unknown>;
}

/**
 * Waits, but not long, until the store is told, and for what it may still do by itself. What the others
 * are left with is said.
 */
async function endInTime(
  { store, commandEnded, outcome, told }: Endings,
  settings: Settings,
  narrator: Narrator,
): Promise<Ending> {
  const ending = await Promise.race([commandEnded, outcome.then(() => undefined)]);
  const isTold = await within(patienceFor(ending, settings), 'not told', told).then(
    () => settled(store, { wait: patience.otherwise }).then(() => true),
    () => false,
  );
  if (ending === undefined) return outcome;
  if (!isTold) tellOfLeftover(ending, settings, narrator);
  return Promise.race([outcome, ending]);
}

function isPeriodDone(ending: Ending, { period }: Settings): boolean {
  return period !== undefined && ending === exits.success;
}

function patienceFor(ending: Ending | undefined, settings: Settings): number {
  if (ending === undefined) return patience.otherwise;
  return isPeriodDone(ending, settings) ? patience.periodDone : patience.commandEnded;
}

/** A loss has been told already. */
function tellOfLeftover(ending: Ending, settings: Settings, narrator: Narrator): void {
  if (ending === exits.lost) return;
  const reason = narrator.trouble ?? 'it does not answer';
  const ttl = durationOf(settings.ttl);
  const then = isPeriodDone(ending, settings) ? ', and the period may be run again' : '';
  narrator.tell(
    'error',
    `the store could not be told that the command has ended (${reason}); the lock stays taken for its ttl of ${ttl}${then}`,
  );
}
