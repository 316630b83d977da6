/** Opening the store: at once, or when one that has not come up yet, as after a boot, answers. */
import { later, type Moment, now, pause, until } from '../base/clock.js';
import { reasonOf } from '../base/errors.js';
import { growingPauses } from '../base/pauses.js';
import { within } from '../base/time-limit.js';
import type { LockStore } from '../index.js';
import type { Settings } from './arguments.js';
import { UnusableStore } from './client.js';
import type { Narrator } from './narrator.js';
import type { OpenStore } from './place.js';
import { type NamedStore, storeNamedBy } from './store.js';

/** The pauses between attempts grow from the first to the last of these, in milliseconds. */
const shortestPause = 100;
const longestPause = 5_000;

export interface Opened {
  readonly store: LockStore;
  /** How long the lock may still be waited for, in milliseconds. */
  readonly wait: number;
}

/**
 * Opens the store; with `--wait`, resolves once it answers. Without, the first request says whether it
 * does.
 *
 * @throws UsageError, UnusableStore.
 */
export async function openStore(settings: Settings, narrator: Narrator): Promise<Opened> {
  const named = storeNamedBy(settings);
  narrator.tell('step', named.description);
  const { name, wait } = settings;
  if (wait === 0) return { store: await named.open(), wait };
  return openOnceUp(named, name, wait, narrator);
}

/**
 * While the store is not up, this is repeated for up to `wait` milliseconds after the first failure;
 * any other failure ends it at once.
 *
 * @throws UnusableStore: the last failure.
 */
async function openOnceUp(
  named: NamedStore,
  name: string,
  wait: number,
  narrator: Narrator,
): Promise<Opened> {
  const pauses = growingPauses(shortestPause, longestPause);
  let store: OpenStore | undefined;
  let end: Moment | undefined;
  for (;;) {
    try {
      store ??= await named.open();
      await checkAnswers(store, name);
      return { store, wait: end ? Math.max(0, Math.ceil(until(end))) : wait };
    } catch (error) {
      if (!isNotUp(error)) throw error;
      if (!end) {
        narrator.tell('news', `waiting for the store, which is not up (${reasonOf(error)})`);
      }
      end ??= later(now(), wait);
      const left = until(end);
      if (left <= 0) throw error;
      await pause(Math.min(pauses.next().value, left));
    }
  }
}

/**
 * Resolves if the store answers: to a request that changes nothing, since nobody holds a lock by
 * that token.
 *
 * @throws UnusableStore.
 */
async function checkAnswers(store: OpenStore, name: string): Promise<void> {
  try {
    await within(store.timeout, 'no answer', store.release(name, 'nobody'));
  } catch (error) {
    throw new UnusableStore(reasonOf(error), { cause: error });
  }
}

/** What the system says of a connection to a server that does not run, or is not known yet. */
const unreachable = /^(ECONNREFUSED|ENOENT|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EAI_AGAIN|ENOTFOUND)$/;
/** The first words of what Redis and etcd answer while they come up. */
const comingUp =
  /^(LOADING|MASTERDOWN|CLUSTERDOWN) |^etcdserver: (no leader|not ready|request timed out)/;
/** What PostgreSQL answers while it comes up: `cannot_connect_now`. */
const startingUp = '57P03';

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
  if (comingUp.test(message ?? '') || code === startingUp) return true;
  return [...errors, ...(cause === undefined ? [] : [cause])].some(isNotUp);
}
