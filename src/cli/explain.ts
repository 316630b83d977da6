/** What went wrong in a run, as a line for the user and as the end of dlock. */
import { LeaseLostError, StoreError } from '../index.js';
import { UsageError } from './arguments.js';
import { UnusableStore } from './client.js';
import { StartError } from './command.js';
import { type Ending, exits } from './exits.js';
import type { Narrator } from './narrator.js';
import { Interrupted } from './signals.js';
import { CommandFailed } from './turn.js';

/**
 * Says what happened, where that was not said yet, and how dlock is to end for it.
 *
 * @throws the error itself, if it is none that is expected.
 */
export function explain(error: unknown, narrator: Narrator): Ending {
  narrator.waited();
  if (error instanceof CommandFailed) return error.ending;
  if (error instanceof Interrupted) {
    narrator.tell('step', error.message);
    return error.signal;
  }
  if (error instanceof LeaseLostError) {
    narrator.repeat(`The command has ended, but without protection: ${error.message}`);
    return exits.lost;
  }
  if (error instanceof StoreError) {
    narrator.storeFailed(error);
    return exits.storeUnreachable;
  }
  if (error instanceof UnusableStore) {
    narrator.tell('error', `the store cannot be used: ${error.message}`);
    return exits.storeUnreachable;
  }
  if (error instanceof StartError) {
    narrator.tell('error', error.message);
    return error.exit;
  }
  if (error instanceof UsageError) {
    narrator.tell('error', withHint(error));
    return exits.usage;
  }
  // The library names the lock or the store itself.
  if (error instanceof RangeError || error instanceof TypeError) {
    narrator.repeat(withHint(error));
    return exits.usage;
  }
  throw error;
}

/** What is wrong with the arguments, and where to read what would do. */
export function withHint({ message }: Error): string {
  return `${message} (see dlock --help)`;
}
