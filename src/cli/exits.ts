/** The exit codes of the command, after sysexits.h and the shells; and why there may be no other. */
import { constants } from 'node:os';

export const exits = {
  success: 0,
  usage: 64,
  storeUnreachable: 69,
  internal: 70,
  held: 75,
  lost: 76,
  notExecutable: 126,
  notFound: 127,
} as const;

/** What shells answer for a process that a signal ended: 128 and the number of the signal. */
export function exitOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
