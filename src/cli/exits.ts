/** How dlock ends: the exit codes, after sysexits.h and the shells, or a signal. */
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

/** How a process ends: with an exit code, or by a signal. */
export type Ending = number | NodeJS.Signals;

/** What shells report for a process that a signal ended: 128 plus the number of the signal. */
export function exitOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
