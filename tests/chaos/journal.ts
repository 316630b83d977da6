/**
 * What a worker writes down of its leases: a file of its own, a line of JSON for each thing that
 * happens, written before the next thing can happen.
 *
 * SIGKILL takes nothing that was written: the kernel has the line once `writeSync` returns. At most
 * the line in the making is torn or missing. The order of writing makes up for that, so that a
 * lease may look shorter than it was, but never longer than the store kept it:
 *
 * - `granted` and `renewed` are written before anything can act on what they tell;
 * - `released` is written before the release is asked for, and so before the store lets go;
 * - a lease without an end counts for as long as it last said that it would be valid.
 *
 * For the same reason the time is always taken before the lease is looked at: a process that is
 * stopped between the two then tells too little, and not too much.
 */
import { openSync, writeSync } from 'node:fs';

/**
 * `at`: by the common clock. `attempt` tells the attempts of one worker apart. `limit`: how many may hold the
 * lock at once; null, which is what JSON makes of Infinity: any number.
 */
export type Entry = { readonly at: number; readonly attempt: number } & (
  | { readonly event: 'requested'; readonly lock: string; readonly limit: number | null }
  /** `until`: when the lease stops being valid, as it says itself. */
  | { readonly event: 'granted'; readonly until: number; readonly fence?: number | undefined }
  | { readonly event: 'renewed'; readonly until: number }
  /** The lease was seen to be held at that time, and is given back now. */
  | { readonly event: 'released' }
  /** Its signal aborted. `seen`: the last time at which it was seen to be held. */
  | { readonly event: 'lost'; readonly seen: number }
  /** No lease: another holds the lock, also after the wait; a StoreError; or the caller gave up. */
  | { readonly event: 'refused' | 'failed' | 'aborted' }
  /** Any StoreError, also in the background: of no attempt (0) in particular. */
  | { readonly event: 'store-error'; readonly operation: string }
);

/**
 * Milliseconds on CLOCK_MONOTONIC: on Linux one clock for all processes of a machine, and the one
 * by which leases measure time.
 */
export function commonTime(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Journal {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'ax');
  }

  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
  }
}

/** The entries of a journal, without a last line that a kill has torn. */
export function* readJournal(text: string): Generator<Entry> {
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    yield JSON.parse(text.slice(start, end));
    start = end + 1;
  }
}
