/** Waiting for a store that has not come up yet, as after a boot, or a deployment. */
import { later, type Moment, now, pause, until } from '../base/clock.js';
import { reasonOf } from '../base/errors.js';
import { growingPauses } from '../base/pauses.js';
import type { LockStore } from '../store.js';
import { checkAnswers, type NamedStore } from './store.js';

/** The pauses between attempts grow from the first to the last of these, in milliseconds. */
const shortestPause = 100;
const longestPause = 5_000;

export interface UpStore {
  readonly store: LockStore;
  /** What is left of the time to wait, in milliseconds. */
  readonly left: number;
}

/**
 * Opens the store, and resolves once it answers. While it is not up, this is repeated for up to
 * `wait` milliseconds after the first failure; any other failure ends it at once.
 *
 * @param name of the lock that it is asked about.
 * @param onWait is called once, with the reason, if there is something to wait for.
 * @throws UnusableStore: the last failure.
 */
export async function openOnceUp(
  named: NamedStore,
  { name, wait }: { name: string; wait: number },
  onWait: (reason: string) => void,
): Promise<UpStore> {
  const pauses = growingPauses(shortestPause, longestPause);
  let store: LockStore | undefined;
  let end: Moment | undefined;
  for (;;) {
    try {
      store ??= await named.open();
      await checkAnswers(store, name);
      return { store, left: end ? Math.max(0, Math.ceil(until(end))) : wait };
    } catch (error) {
      if (!isNotUp(error)) throw error;
      if (!end) onWait(reasonOf(error));
      end ??= later(now(), wait);
      const left = until(end);
      if (left <= 0) throw error;
      await pause(Math.min(pauses.next().value, left));
    }
  }
}

/** What the system says of a connection to a server that does not run, or is not known yet. */
const unreachable = /^(ECONNREFUSED|ENOENT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EAI_AGAIN|ENOTFOUND)$/;
/** The first words of what Redis answers while it comes up. */
const comingUp = /^(LOADING|MASTERDOWN|CLUSTERDOWN) /;

/**
 * Whether an error, or one of those behind it, says so. A server that accepts and is silent, or
 * refuses our password, will hardly do otherwise a little later.
 */
function isNotUp(error: unknown): boolean {
  const {
    code,
    syscall,
    message,
    cause,
    errors = [],
  } = Object(error) as Partial<AggregateError> & NodeJS.ErrnoException;
  const connecting = syscall === 'connect' || syscall === 'getaddrinfo';
  if (connecting && unreachable.test(code ?? '')) return true;
  if (comingUp.test(message ?? '')) return true;
  return [...errors, ...(cause === undefined ? [] : [cause])].some(isNotUp);
}
