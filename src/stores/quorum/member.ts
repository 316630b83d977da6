/** One store of a quorum: bounds the time of its answers, and gives back what it holds for nobody. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { clock, idlePause } from '../../base/clock.js';
import { outsideCallers } from '../../base/context.js';
import type { Attempt, LockStore } from '../../store.js';
import { defaults } from '../options.js';

/** What the member may hold for a token, by what was asked of it here. Times are of the monotonic clock. */
interface Claim {
  readonly name: string;
  readonly token: string;
  /** How many acquires it has not answered. */
  underWay: number;
  /** Until then an acquire that failed may still be carried out. */
  doubtUntil: number;
  /** When it has forgotten the token by itself. */
  end: number;
  /** The token is to be released, also behind an acquire that is still under way. */
  givenBack: boolean;
  /** The newest that was asked for. */
  extension: Extension | undefined;
}

interface Extension {
  readonly ttl: number;
  /** When it was asked for. */
  readonly start: number;
}

type InContext = <T>(request: () => T) => T;

/** Captured, as the clock's timers are: a test may fake the global one, and go on to use a quorum. */
const { setImmediate } = globalThis;

/** The pauses between attempts to give back double from the first to the last of these. */
const shortestPause = 50;
const longestPause = 5_000;

export class Member {
  readonly #store: LockStore;
  readonly #timeout: number;
  readonly #claims = new Map<string, Claim>();
  /** What is to be given back, and could not be yet; each in the async context of its own caller. */
  readonly #owed = new Map<Claim, InContext>();
  #repaying = false;
  #sweepAt = 1_000;

  constructor(store: LockStore) {
    this.#store = store;
    this.#timeout = store.timeout ?? defaults.timeout;
  }

  /**
   * Rejects, like the others, after `limit` milliseconds or the store's own time limit. A token that
   * is still being given back is not asked for: that release could take away what is granted now.
   */
  async acquire(name: string, token: string, ttl: number, limit: number): Promise<Attempt> {
    const claim = this.#claim(name, token);
    if (claim.givenBack) throw new Error('it has yet to give back what it granted before');
    return this.#within(limit, this.#take(claim, ttl));
  }

  async extend(name: string, token: string, ttl: number, limit: number): Promise<boolean> {
    const claim = this.#claim(name, token);
    const start = clock.monotonic();
    claim.extension = { ttl, start };
    // It may fail, and the longer life before it still be true.
    claim.end = Math.max(claim.end, start + ttl);
    return this.#within(limit, this.#sendExtend(name, token, ttl));
  }

  /**
   * Takes the lock again for a token that the member does not hold, though the lease is valid until
   * `end`: for no longer than that, and not if the token has been given back meanwhile. A release that
   * comes later undoes this acquire as it does any other. An extension that overtook it, and may have
   * let the lease lapse sooner, is sent again behind it; but only for as long as a request may be late,
   * since whoever the lease was handed over to may have extended it after that. For the same reason
   * nothing is released here: what then stays behind at this one member lapses at `end`.
   */
  async renew(name: string, token: string, end: number): Promise<void> {
    const claim = this.#claims.get(keyOf(name, token));
    const extension = claim?.extension;
    if (!claim || !extension || claim.givenBack || claim.underWay > 0) return;
    const left = Math.min(end, extension.start + extension.ttl) - clock.monotonic();
    if (left < 1) return;
    await this.#take(claim, Math.floor(left)).catch(() => {});
    const newest = claim.extension;
    if (!newest || newest === extension || claim.givenBack) return;
    if (clock.monotonic() > newest.start + this.#timeout) return;
    await this.#sendExtend(name, token, newest.ttl);
  }

  /** What cannot be released now is released in the background, until the store has forgotten it. */
  async release(name: string, token: string, limit: number): Promise<boolean> {
    const claim = this.#claim(name, token);
    claim.givenBack = true;
    const answer = this.#sendRelease(claim);
    const owe = () => this.#owe(claim);
    void answer.then(owe, owe);
    return this.#within(limit, answer);
  }

  /** Releases what the member may hold for a token, or may still get. */
  async giveBack(name: string, token: string, limit: number): Promise<void> {
    if (this.#claims.has(keyOf(name, token))) await this.release(name, token, limit);
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    if (!this.#store.watch) throw new TypeError('it wakes nobody');
    const watch = await this.#store.watch(name, wake);
    expect(typeof watch?.[Symbol.asyncDispose] === 'function', watch);
    return watch;
  }

  async #take(claim: Claim, ttl: number): Promise<Attempt> {
    claim.underWay += 1;
    try {
      const answer = await this.#sendAcquire(claim, ttl);
      this.#settle(claim, ttl, answer.granted ? 'granted' : 'refused');
      return answer;
    } catch (error) {
      this.#settle(claim, ttl, 'failed');
      throw error;
    }
  }

  /** The answer is copied, since it is looked at again and again. */
  async #sendAcquire({ name, token }: Claim, ttl: number): Promise<Attempt> {
    const answer = await this.#store.acquire(name, token, ttl);
    const { granted, retryAfter } = Object(answer) as Attempt & { retryAfter?: number };
    if (granted === true) return { granted };
    const isLife = retryAfter === undefined || (typeof retryAfter === 'number' && retryAfter >= 0);
    expect(granted === false && isLife, answer);
    return { granted, retryAfter };
  }

  async #sendExtend(name: string, token: string, ttl: number): Promise<boolean> {
    const answer = await this.#store.extend(name, token, ttl);
    expect(typeof answer === 'boolean', answer);
    return answer;
  }

  /** Once no acquire can be carried out behind it any more, an answer to it is the last. */
  async #sendRelease(claim: Claim): Promise<boolean> {
    const last = claim.underWay === 0 && clock.monotonic() >= claim.doubtUntil;
    const answer = await this.#store.release(claim.name, claim.token);
    expect(typeof answer === 'boolean', answer);
    if (last) this.#forget(claim);
    return answer;
  }

  #settle(claim: Claim, ttl: number, outcome: 'granted' | 'refused' | 'failed'): void {
    const now = clock.monotonic();
    claim.underWay -= 1;
    if (outcome === 'failed') claim.doubtUntil = now + this.#timeout;
    claim.end = Math.max(claim.end, Math.max(now, claim.doubtUntil) + ttl);
    const holdsNothing = outcome === 'refused' && claim.underWay === 0 && claim.doubtUntil <= now;
    if (holdsNothing) this.#forget(claim);
    else if (claim.givenBack) this.#owe(claim);
  }

  #owe(claim: Claim): void {
    const known = this.#claims.get(keyOf(claim.name, claim.token)) === claim;
    if (!known || claim.underWay > 0) return;
    if (!this.#owed.has(claim)) this.#owed.set(claim, AsyncLocalStorage.snapshot());
    if (!this.#repaying) void outsideCallers(() => this.#repay());
  }

  /** One after the other: a member in trouble is asked seldom, however much it owes. */
  async #repay(): Promise<void> {
    this.#repaying = true;
    for (let wait = shortestPause; this.#owed.size > 0; wait = Math.min(2 * wait, longestPause)) {
      for (const [claim, inItsContext] of this.#owed) {
        const now = clock.monotonic();
        if (claim.end <= now) this.#forget(claim);
        else if (claim.doubtUntil <= now) {
          if (!(await inItsContext(() => this.#isReleased(claim)))) break;
        }
      }
      await idlePause(wait * (0.75 + Math.random() / 4));
    }
    this.#repaying = false;
  }

  async #isReleased(claim: Claim): Promise<boolean> {
    try {
      await this.#within(this.#timeout, this.#sendRelease(claim));
      return true;
    } catch {
      return false;
    }
  }

  #claim(name: string, token: string): Claim {
    const key = keyOf(name, token);
    const known = this.#claims.get(key);
    if (known) return known;
    this.#sweep();
    const claim = {
      name,
      token,
      underWay: 0,
      doubtUntil: 0,
      end: 0,
      givenBack: false,
      extension: undefined,
    };
    this.#claims.set(key, claim);
    return claim;
  }

  #forget(claim: Claim): void {
    this.#claims.delete(keyOf(claim.name, claim.token));
    this.#owed.delete(claim);
  }

  /** Forgets what was left to lapse, whenever the number of claims has doubled. */
  #sweep(): void {
    if (this.#claims.size < this.#sweepAt) return;
    const now = clock.monotonic();
    for (const claim of this.#claims.values()) {
      if (claim.underWay === 0 && claim.end <= now) this.#forget(claim);
    }
    this.#sweepAt = Math.max(1_000, this.#claims.size * 2);
  }

  #within<T>(limit: number, answer: Promise<T>): Promise<T> {
    const ms = Math.min(limit, this.#timeout);
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no answer within ${Math.round(ms)} ms`));
      // After the event loop was blocked, answers that have come are read before it is said that
      // they have not. Whoever asks through the core is kept waiting by the core's own timer.
      const timer = clock.setIdleTimer(() => setImmediate(late), ms);
      answer.finally(() => clock.clearTimer(timer)).then(resolve, reject);
    });
  }
}

function keyOf(name: string, token: string): string {
  return JSON.stringify([name, token]);
}

function expect(isExpected: boolean, answer: unknown): void {
  if (isExpected) return;
  throw new TypeError(`unexpected answer ${JSON.stringify(answer)}`);
}
