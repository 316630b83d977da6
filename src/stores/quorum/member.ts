/** One store of a quorum: bounds the time of its answers, and takes back what it holds for nobody. */
import { clock } from '../../base/clock.js';
import { Doubt, type ExtensionInDoubt, shortestLife, stillInDoubt } from '../../base/doubt.js';
import { takeBack } from '../../base/take-back.js';
import { within } from '../../base/time-limit.js';
import type { Attempt, LockStore } from '../../store.js';
import { defaults } from '../options.js';

/** What the member may hold for a token, by what was asked of it here. Times are of the monotonic clock. */
interface Vote {
  readonly name: string;
  readonly token: string;
  /** Whether it holds the lock beside others. */
  readonly isShared: boolean;
  readonly acquires: Doubt;
  readonly releases: Doubt;
  /** The longest life that was asked for. */
  ttl: number;
  /** The newest extension that was asked for. */
  extension: { readonly ttl: number; readonly start: number } | undefined;
  /** Those that may still be carried out. */
  inDoubt: readonly ExtensionInDoubt[];
  /**
   * Set when the token is to be released, also behind an acquire that is still under way; resolves when
   * it certainly is.
   */
  givenBack: Promise<void> | undefined;
}

/** What is asked of all members. */
export interface Bid {
  readonly name: string;
  readonly token: string;
  readonly ttl: number;
  /** Beside any number of others. */
  readonly isShared: boolean;
}

export class Member {
  readonly #store: LockStore;
  readonly #timeout: number;
  readonly #votes = new Map<string, Vote>();
  /** Until then nothing is taken back. */
  #quietUntil = 0;
  #sweepAt = 1;

  constructor(store: LockStore) {
    this.#store = store;
    this.#timeout = store.timeout ?? defaults.timeout;
  }

  /**
   * Rejects, like the others, after `limit` milliseconds or the store's own time limit. A token is not
   * asked for while it is being taken back, or a release of it may still be carried out: that could
   * take away what is granted now.
   */
  async acquire(bid: Bid, limit: number): Promise<Attempt> {
    const vote = this.#vote(bid);
    if (vote.givenBack) throw new Error('it has yet to give back what it granted before');
    return this.#within(limit, this.#take(vote, bid.ttl));
  }

  /**
   * A majority may have decided on an earlier extension while this member has yet to carry it out. As
   * long as that could still shorten the life, a yes is no vote for the longer one: it counts as a
   * failure.
   */
  async extend(bid: Bid, limit: number): Promise<boolean> {
    const { ttl } = bid;
    const vote = this.#vote(bid);
    vote.extension = { ttl, start: clock.monotonic() };
    vote.inDoubt = stillInDoubt(vote.inDoubt);
    const isCertain = shortestLife(ttl, vote.inDoubt) === ttl;
    const isHeld = await this.#within(limit, this.#sendExtend(vote, ttl));
    if (isHeld && !isCertain) throw new Error('an earlier extension may still shorten its life');
    return isHeld;
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
    const vote = this.#votes.get(keyOf(name, token));
    const extension = vote?.extension;
    if (!vote || !extension || vote.givenBack || vote.acquires.end === Infinity) return;
    const left = Math.min(end, extension.start + extension.ttl) - clock.monotonic();
    if (left < 1) return;
    await this.#take(vote, Math.floor(left)).catch(() => {});
    const newest = vote.extension;
    if (!newest || newest === extension || vote.givenBack) return;
    if (clock.monotonic() > newest.start + this.#timeout) return;
    await this.#sendExtend(vote, newest.ttl);
  }

  /** What cannot be released now is taken back in the background. */
  async release(name: string, token: string, limit: number): Promise<boolean> {
    const vote = this.#vote({ name, token, ttl: 0, isShared: false });
    const isLast = vote.acquires.isOver;
    const answer = this.#within(limit, this.#sendRelease(vote));
    if (vote.givenBack) return answer;
    const settle = () => (isLast ? this.#forget(vote) : this.#takeBack(vote));
    vote.givenBack = answer.then(settle, () => this.#takeBack(vote));
    return answer;
  }

  /** Releases what the member may hold for a token, or may still get. */
  async giveBack(name: string, token: string, limit: number): Promise<void> {
    if (this.#votes.has(keyOf(name, token))) await this.release(name, token, limit);
  }

  /** Resolves when nothing is left to be taken back. */
  async settled(): Promise<void> {
    await Promise.all([...this.#votes.values()].map(({ givenBack }) => givenBack));
    await this.#store.settled?.();
  }

  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    if (!this.#store.watch) throw new TypeError('it wakes nobody');
    const watch = await this.#store.watch(name, wake);
    expect(typeof watch?.[Symbol.asyncDispose] === 'function', watch);
    return watch;
  }

  /** Who holds nothing is forgotten: most votes of a lock that is held are refusals. */
  async #take(vote: Vote, ttl: number): Promise<Attempt> {
    const request = this.#sendAcquire(vote, ttl);
    vote.acquires.add(request);
    const answer = await request;
    if (!answer.granted && vote.acquires.isAnswered && !vote.givenBack) this.#forget(vote);
    return answer;
  }

  /** The answer is copied, since it is looked at again and again. */
  async #sendAcquire({ name, token, isShared }: Vote, ttl: number): Promise<Attempt> {
    const store = this.#store;
    const answer = await (isShared
      ? store.acquireShared?.(name, token, ttl, Infinity)
      : store.acquire(name, token, ttl));
    const { granted, retryAfter } = Object(answer) as Attempt & { retryAfter?: number };
    if (granted === true) return { granted };
    const isLife = retryAfter === undefined || (typeof retryAfter === 'number' && retryAfter >= 0);
    expect(granted === false && isLife, answer);
    return { granted, retryAfter };
  }

  #sendExtend(vote: Vote, ttl: number): Promise<boolean> {
    const { name, token } = vote;
    const limit = vote.isShared ? Infinity : 1;
    const request = this.#expecting(() => this.#store.extend(name, token, ttl, limit));
    vote.inDoubt = [...vote.inDoubt, { ttl, request: new Doubt(this.#timeout, [request]) }];
    return request;
  }

  #sendRelease({ name, token, releases }: Vote): Promise<boolean> {
    const request = this.#expecting(() => this.#store.release(name, token));
    releases.add(request);
    return request;
  }

  async #expecting(send: () => Promise<boolean>): Promise<boolean> {
    const answer = await send();
    expect(typeof answer === 'boolean', answer);
    return answer;
  }

  /**
   * A member in trouble is asked rarely, however much is to be taken back: by one at a time, and after
   * a failure by nobody else until half of the pause that follows is over.
   */
  async #takeBack(vote: Vote): Promise<void> {
    const { acquires, ttl } = vote;
    const release = async (limit: number) => {
      if (clock.monotonic() < this.#quietUntil) throw new Error('the member is in trouble');
      this.#quietUntil = clock.monotonic() + limit / 2;
      await this.#within(limit, this.#sendRelease(vote));
      this.#quietUntil = 0;
    };
    await takeBack({ acquires, ttl, timeout: this.#timeout, release });
    await vote.releases.passed();
    this.#forget(vote);
  }

  #vote({ name, token, ttl, isShared }: Bid): Vote {
    const key = keyOf(name, token);
    const known = this.#votes.get(key);
    if (known) {
      known.ttl = Math.max(known.ttl, ttl);
      return known;
    }
    this.#sweep();
    const vote: Vote = {
      name,
      token,
      isShared,
      acquires: new Doubt(this.#timeout),
      releases: new Doubt(this.#timeout),
      ttl,
      extension: undefined,
      inDoubt: [],
      givenBack: undefined,
    };
    this.#votes.set(key, vote);
    return vote;
  }

  #forget(vote: Vote): void {
    const key = keyOf(vote.name, vote.token);
    if (this.#votes.get(key) === vote) this.#votes.delete(key);
  }

  /** Forgets what was left to lapse, whenever the number of votes has doubled. */
  #sweep(): void {
    if (this.#votes.size < this.#sweepAt) return;
    const now = clock.monotonic();
    for (const vote of this.#votes.values()) {
      const start = Math.max(vote.acquires.end, vote.extension?.start ?? -Infinity);
      if (start + vote.ttl <= now) this.#forget(vote);
    }
    this.#sweepAt = this.#votes.size * 2 + 1;
  }

  /** Whoever asks through the core is kept waiting, and the process alive, by the core's own timer. */
  #within<T>(limit: number, answer: Promise<T>): Promise<T> {
    return within(Math.min(limit, this.#timeout), 'no answer', answer, 'idle');
  }
}

function keyOf(name: string, token: string): string {
  return JSON.stringify([name, token]);
}

function expect(isExpected: boolean, answer: unknown): void {
  if (isExpected) return;
  throw new TypeError(`unexpected answer ${JSON.stringify(answer)}`);
}
