/**
 * Asking the store: every request of the core goes through here, which bounds its time, checks the
 * shape of its answer and wraps its error, once.
 */
import { onAbort } from './abort.js';
import { clock } from './clock.js';
import { lockNamed, StoreError } from './errors.js';
import { type Subject, tell } from './events.js';
import type { Attempt, LockStore } from './store.js';

/** One bid for one lock, and what identifies it to the store. */
export interface Claim {
  readonly store: LockStore;
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
  readonly timeout: number;
  /** Every acquire that was sent for it. All but the last of several failed, their outcome unknown. */
  readonly requests: Promise<Attempt>[];
  /** Known once granted, where the store has fences. */
  fence: number | undefined;
}

/**
 * Sends an acquire, and once more if that fails: with the same token, which finds itself the owner
 * if the first was carried out and only its reply lost. One timeout bounds both. Rejects with the
 * reason of `signal` when it aborts first.
 */
export async function askToAcquire(claim: Claim, signal?: AbortSignal): Promise<Attempt> {
  let waiting = true;
  const repeat = (error: unknown) => {
    if (waiting) return sendAcquire(claim);
    throw error;
  };
  try {
    return await answerWithin(sendAcquire(claim).catch(repeat), claim.timeout, signal);
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw storeError(claim, 'acquire', cause);
  } finally {
    waiting = false;
  }
}

function sendAcquire(claim: Claim): Promise<Attempt> {
  const request = acquire(claim);
  claim.requests.push(request);
  return request;
}

async function acquire({ store, name, token, ttl }: Claim): Promise<Attempt> {
  const answer = await store.acquire(name, token, ttl);
  if (typeof answer?.granted !== 'boolean') throw unexpected(answer);
  return answer;
}

export function askToExtend(claim: Claim, ttl: number, timeout = claim.timeout): Promise<boolean> {
  return ask(claim, 'extend', timeout, () => claim.store.extend(claim.name, claim.token, ttl));
}

export function askToRelease(claim: Claim, timeout = claim.timeout): Promise<boolean> {
  return ask(claim, 'release', timeout, () => claim.store.release(claim.name, claim.token));
}

async function ask(
  claim: Claim,
  operation: 'extend' | 'release',
  timeout: number,
  send: () => Promise<boolean>,
): Promise<boolean> {
  try {
    const answer = await answerWithin(send(), timeout);
    if (typeof answer !== 'boolean') throw unexpected(answer);
    return answer;
  } catch (cause) {
    throw storeError(claim, operation, cause);
  }
}

/** Written for the least work in the common case: one promise, one timer. */
function answerWithin<T>(answer: Promise<T>, ms: number, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle =
      <Value>(how: (value: Value) => void) =>
      (value: Value) => {
        clock.clearTimer(timer);
        stopListening?.();
        how(value);
      };
    const fail = settle(reject);
    const timer = clock.setTimer(() => fail(new Error(`no answer within ${ms} ms`)), ms);
    const stopListening = signal && onAbort(signal, () => fail(signal.reason));
    Promise.resolve(answer).then(settle(resolve), fail);
  });
}

/** The one place where a store's trouble gets its name. */
export function storeError(subject: Subject, operation: string, cause: unknown): StoreError {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  const error = new StoreError(
    `The store failed to ${operation} ${lockNamed(subject.name)}: ${reason}`,
    {
      cause,
    },
  );
  tell('store-error', subject, () => ({ operation, error }));
  return error;
}

function unexpected(answer: unknown): Error {
  return new TypeError(`unexpected answer ${JSON.stringify(answer)}`);
}
