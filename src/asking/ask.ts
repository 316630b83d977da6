/**
 * Asking the store: every request of the core goes through here, which bounds its time, checks the
 * shape of its answer and wraps its error, once.
 */
import { onAbort } from '../base/abort.js';
import { Doubt, type ExtensionInDoubt, shortestLife, stillInDoubt } from '../base/doubt.js';
import { type Operation, reasonOf, StoreError } from '../base/errors.js';
import { type Subject, tell } from '../base/events.js';
import { lockNamed, partsOf } from '../base/names.js';
import { TimeLimit } from '../base/time-limit.js';
import type { Attempt, LockStore } from '../store.js';

/** One bid for one lock, and what identifies it to the store. */
export interface Claim {
  readonly store: LockStore;
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
  readonly timeout: number;
  /** How many may hold the lock at once. */
  readonly limit: number;
  /** Whoever asks waits, and asks again within this time; undefined unless so. */
  readonly patience: number | undefined;
  /** Every acquire that was sent for it. */
  readonly acquires: Doubt;
  /** Extensions whose outcome is unknown. */
  doubts: readonly ExtensionInDoubt[];
  /** Known once granted, where the store has fences. */
  fence: number | undefined;
  /** Since when it is held, once granted, by the monotonic clock: as its ttl, it counts from the request. */
  since: number;
}

export function newClaim(
  store: LockStore,
  name: string,
  token: string,
  { ttl, timeout, limit = 1 }: { ttl: number; timeout: number; limit?: number },
  patience?: number,
): Claim {
  const acquires = new Doubt(timeout);
  const fence = undefined;
  const since = NaN;
  return { store, name, token, ttl, timeout, limit, patience, acquires, doubts: [], fence, since };
}

/**
 * Sends an acquire, and once more if that fails: with the same token, which finds itself the owner
 * if the first was carried out and only its reply lost. One timeout bounds both. Rejects with the
 * reason of `signal` when it aborts first.
 */
export function askToAcquire(claim: Claim, signal?: AbortSignal): Promise<Attempt> {
  return ask(claim, 'acquire', () => sendAcquire(claim), claim.timeout, signal, 2);
}

function sendAcquire(claim: Claim): Promise<Attempt> {
  const request = acquire(claim);
  claim.acquires.add(request);
  return request;
}

/** Reads the answer whole, so that whatever is wrong with it comes to light before there is a lease. */
async function acquire(claim: Claim): Promise<Attempt> {
  const answer = await send(claim);
  if (answer.granted) {
    const { granted, fence } = answer;
    const isFence = fence === undefined || typeof fence === 'number';
    return { granted: expected(granted, answer, isFence), fence };
  }
  const { granted, retryAfter, placeFor, holder } = answer;
  const areTimes = isTime(retryAfter) && isTime(placeFor);
  return { granted: expected(granted, answer, areTimes), retryAfter, placeFor, holder };
}

function send({ store, name, token, ttl, limit, patience }: Claim): Promise<Attempt> {
  if (limit === 1 || !store.acquireShared) return store.acquire(name, token, ttl, patience);
  return store.acquireShared(name, token, ttl, limit, patience);
}

function isTime(value: unknown): boolean {
  return value === undefined || (typeof value === 'number' && value >= 0);
}

export async function askToExtend(
  claim: Claim,
  ttl: number,
  timeout?: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const request = extend(claim, ttl);
  try {
    return await ask(claim, 'extend', () => request, timeout, signal);
  } catch (error) {
    doubt(claim, ttl, request);
    throw error;
  }
}

async function extend({ store, name, token, limit }: Claim, ttl: number): Promise<boolean> {
  const answer = await store.extend(name, token, ttl, limit);
  return expected(answer, answer);
}

/** The client may hold the request back for longer than we wait for it: its end is what counts. */
function doubt(claim: Claim, ttl: number, request: Promise<boolean>): void {
  claim.doubts = [...claim.doubts, { ttl, request: new Doubt(claim.timeout, [request]) }];
}

/** The life that an extension to `ttl` gives for certain, if it leaves now. */
export function certainLife(claim: Claim, ttl: number): number {
  claim.doubts = stillInDoubt(claim.doubts);
  return shortestLife(ttl, claim.doubts);
}

/** @param heir the token for which somebody in this process asks right behind. */
export function askToRelease(claim: Claim, timeout?: number, heir?: string): Promise<boolean> {
  const { store, name, token } = claim;
  const send = async () => {
    const answer = await store.release(name, token, heir);
    return expected(answer, answer);
  };
  return ask(claim, 'release', send, timeout);
}

/** The contract of stores decides by booleans, and nothing else can be taken for one. */
function expected<T>(decision: T, answer: unknown, isWhole = true): T {
  if (typeof decision === 'boolean' && isWhole) return decision;
  throw new TypeError(`unexpected answer ${JSON.stringify(answer)}`);
}

/**
 * Written for the least work in the common case.
 *
 * @param attempts how often it is sent, for as long as it fails.
 */
function ask<T>(
  claim: Claim,
  operation: Operation,
  send: () => Promise<T>,
  timeout = claim.timeout,
  signal?: AbortSignal,
  attempts = 1,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let attempt = 0;
    let awaited = true;
    const settle = () => {
      awaited = false;
      timeLimit.end();
      stopListening?.();
    };
    const fail = (cause: unknown) => {
      settle();
      reject(signal?.aborted ? signal.reason : storeError(claim, operation, cause));
    };
    const tooLate = () => fail(new Error(noAnswer(claim.store, timeout)));
    const timeLimit = new TimeLimit(timeout, tooLate);
    const stopListening = signal && onAbort(signal, () => fail(signal.reason));
    const succeed = (answer: T) => {
      if (!awaited) return;
      settle();
      resolve(answer);
    };
    const failed = (cause: unknown) => {
      if (!awaited) return;
      if (attempt === attempts) fail(cause);
      else request();
    };
    const request = () => {
      attempt += 1;
      send().then(succeed, failed);
    };
    request();
  });
}

function noAnswer({ connected }: LockStore, timeout: number): string {
  const known = connected === false ? '; the client is not connected' : '';
  return `no answer within ${Math.ceil(timeout)} ms${known}`;
}

/** A store's trouble with one request, as callers and those who watch the events see it. */
export function storeError(subject: Subject, operation: Operation, cause: unknown): StoreError {
  const error = storeErrorOf(subject.name, operation, cause);
  tell('store-error', subject, () => ({ operation, error }));
  return error;
}

/** The one place where a store's trouble gets its name. */
export function storeErrorOf(name: string, operation: Operation, cause: unknown): StoreError {
  const message = `The store failed to ${operation} ${lockNamed(name)}: ${reasonOf(cause)}`;
  return new StoreError(message, { cause, lock: partsOf(name).lock, operation });
}
