/**
 * A store made of stores: to hold a lock is to have it in a majority of them.
 *
 * @module dlock-js/quorum
 */
import { clock, idlePause, pause } from '../../base/clock.js';
import { growingPauses } from '../../base/pauses.js';
import { shown } from '../../base/shown.js';
import type { Attempt, LockStore } from '../../store.js';
import { readOptions, type StoreOptions } from '../options.js';
import { checkRequest } from '../requests.js';
import { type Bid, Member } from './member.js';
import { Poll } from './poll.js';

/** The times of a {@link QuorumStore}; its members keep their own. */
export interface QuorumStoreOptions extends StoreOptions {}

/**
 * A member may take this part of the time limit. The core repeats a failed acquire within one time
 * limit, so it is less than a half; a fifth of the limit is left to tell what each member said the
 * second time.
 */
const shareOfTimeout = 0.4;

/**
 * How often at most an attempt that was refused, though it got a part, asks for the lock. Two who split
 * the members do so again if their pauses end within one answer of each other: of three members, after
 * pauses of up to 3, 6, 12 and 24 answers, in 6, 3, 2 and 1 cases of 10, so about once in 300 after
 * all four. More would only delay the refusal where the holder lacks a vote, which each attempt gets.
 */
const rounds = 5;

/**
 * Locks shared by everything that uses the same stores. It works for as long as a majority of them answers:
 * of three, one may be down, slow or full; of five, two. (A fourth adds nothing to three: the majority of
 * four is three.) The members must be independent of each other, each a separate server; they may be of any
 * kind, and mixed.
 *
 * This is the Redlock algorithm (redis.io, "Distributed Locks with Redis"): all members are asked at once,
 * with one token; the lease counts from before that, less 1 % and 2 ms for clocks that run apart. It depends
 * on members whose clocks run at the same speed and which forget nothing: one that restarts empty must stay
 * away for the longest ttl, until no lease counts on its vote any more. Once it is back, the next extension
 * gives it its vote again: so members may be restarted in turn. As Kleppmann objects ("How to do distributed
 * locking"), no such lease keeps out a holder that was stopped, only a fence does; and independent counters
 * cannot make one, so `fence` is undefined.
 */
export class QuorumStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  /** True if all its members are. */
  readonly ordered: boolean;
  /** The smallest `maxTtl` of the members. */
  readonly maxTtl?: number;
  /** AB, BC and AC are three majorities of three members, each of which has seen but two holders. */
  readonly limits = 'unlimited';
  /** If all its members have it: the majority of a reader has a member in common with that of a writer. */
  readonly acquireShared?: NonNullable<LockStore['acquireShared']>;
  readonly #members: Member[];
  readonly #majority: number;

  /**
   * @throws TypeError unless `stores` is a list of different stores, with at least one.
   * @throws TypeError or RangeError for invalid options.
   */
  constructor(stores: readonly LockStore[], options?: QuorumStoreOptions) {
    checkStores(stores);
    const limits = stores.flatMap(({ maxTtl }) => maxTtl ?? []);
    if (limits.length > 0) this.maxTtl = Math.min(...limits);
    const { ttl, timeout } = readOptions('QuorumStore', options, { maxTtl: this.maxTtl });
    this.ttl = ttl;
    this.timeout = timeout;
    this.ordered = stores.every(({ ordered }) => ordered);
    if (stores.every(({ acquireShared }) => acquireShared)) {
      this.acquireShared = (name, token, ttl) =>
        this.#acquire({ name, token, ttl, isShared: true });
    }
    this.#members = stores.map((store) => new Member(store));
    this.#majority = Math.floor(stores.length / 2) + 1;
  }

  /**
   * Granted as soon as a majority has granted. Refused if the refusals leave no majority: then everything
   * that was granted is given back.
   *
   * Callers that ask at the same moment may each get a part, and none a majority. So a caller that got a part
   * gives it back and asks again, after a pause of random length: otherwise all would be refused, though
   * nobody holds the lock. There may be as many such callers as members, and they should come one after the
   * other: so the pause is a random part of as many answers, and of twice as many each time. Where a member
   * that does not answer leaves it open whether all is lost, it goes on for half the time that a member may
   * take, but no longer than half the ttl: a lease counts from the first request, and is of little use near
   * its end.
   *
   * If too many fail, it throws, and leaves what was granted to the repeated request with the same token, or
   * to the release; the core sends one or the other.
   */
  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    return this.#acquire({ name, token, ttl, isShared: false });
  }

  async #acquire(bid: Bid): Promise<Attempt> {
    const { name, token, ttl } = bid;
    checkRequest('acquire', token, ttl);
    const limit = this.#limit;
    const time = Math.min(limit, ttl) / 2;
    const ask = (member: Member) => member.acquire(bid, limit);
    const giveBack = (member: Member) => member.giveBack(name, token, limit);
    const poll = new Poll<Member, Attempt>(this.#majority, ({ granted }) => granted);
    poll.ask(this.#members, ask);
    const end = clock.monotonic() + time;
    let windows: Iterator<number, never> | undefined;
    for (let round = 1; ; round++) {
      const isLast = clock.monotonic() >= end;
      const took = await this.#hearMajority(poll);
      windows ??= growingPauses(took * this.#members.length, time / 2);
      const window = windows.next().value;
      await this.#hearRest(poll, took, isLast ? Infinity : window);
      if (poll.isWon) return { granted: true };
      if (poll.isFailed || (isLast && !poll.isLost)) throw poll.undecided();
      const { yes, no } = poll;
      await Promise.allSettled(yes.map(giveBack));
      if (poll.isLost && (isLast || round >= rounds || yes.length === 0)) {
        for (const member of this.#members) giveBack(member).catch(() => {});
        return { granted: false, retryAfter: this.#retryAfter(poll) };
      }
      await pause(Math.random() * window);
      poll.ask([...yes, ...no], ask);
    }
  }

  /**
   * True or false as soon as a majority says so. If it is true, the members that say no, now or later,
   * are asked in the background to take the lock again. So one that was down, or restarted empty, gets
   * its vote back, and the next may go down.
   *
   * That never makes two leases valid at once. A member takes the lock only where nobody holds it, and
   * its vote counts only once it says yes to a later extension. So it is still true that for each valid
   * lease a majority holds the lock, and that any two majorities have a member in common. What a member
   * must not do is as before: forget, and come back while a lease still counts on its vote.
   */
  async extend(name: string, token: string, ttl: number, limit = 1): Promise<boolean> {
    checkRequest('extend', token, ttl);
    const bid = { name, token, ttl, isShared: limit > 1 };
    const end = clock.monotonic() + ttl;
    const asked = this.#members.map((member) => {
      const answer = member.extend(bid, this.#limit);
      return { member, answer };
    });
    const poll = new Poll<(typeof asked)[number], boolean>(this.#majority, (isHeld) => isHeld);
    poll.ask(asked, ({ answer }) => answer);
    await poll.until(() => poll.isWon || poll.isLost || poll.isFailed);
    if (!verdict(poll)) return false;
    for (const { member, answer } of asked) {
      const renew = (isHeld: boolean) => (isHeld ? undefined : member.renew(name, token, end));
      answer.then(renew).catch(() => {});
    }
    return true;
  }

  /**
   * True: a majority still held the lock for us. False: so many did not that there was no majority.
   * Otherwise it throws. All are asked in any case, and those that cannot answer now again later.
   */
  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    const poll = new Poll<Member, boolean>(this.#majority, (wasHeld) => wasHeld);
    poll.ask(this.#members, (member) => member.release(name, token, this.#limit));
    const start = clock.monotonic();
    await poll.until(() => poll.isWon || poll.isLost || poll.isFailed);
    await poll.until(() => false, clock.monotonic() - start + 1);
    return verdict(poll);
  }

  /**
   * Wakes when a majority of the members has woken within the time that one may take to carry out a
   * release, and resolves once a majority can wake; rejects if it cannot. A single member proves nothing: it
   * wakes whenever somebody who was refused gives back what that member alone had granted. Waiting processes
   * would wake each other endlessly.
   */
  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    const wokenAt = new Map<Member, number>();
    let closed = false;
    const open = (member: Member) =>
      member.watch(name, () => {
        const now = clock.monotonic();
        wokenAt.set(member, now);
        const together = [...wokenAt.values()].filter((time) => time > now - this.#limit);
        if (together.length >= this.#majority && !closed) wake();
      });
    const watches = this.#members.map(open);
    // Members may take their time to close, and wake until they have.
    const close = async () => {
      closed = true;
      for (const watch of watches)
        watch.then((opened) => opened[Symbol.asyncDispose]()).catch(() => {});
    };
    const poll = new Poll<Promise<AsyncDisposable>, AsyncDisposable>(this.#majority, () => true);
    poll.ask(watches, (watch) => watch);
    await poll.until(() => poll.isWon || poll.isFailed);
    if (poll.isWon) return { [Symbol.asyncDispose]: close };
    await close();
    throw poll.undecided();
  }

  /**
   * Resolves when its members have given back what was granted to nobody. One that does not answer is
   * waited for no longer than for any answer of it: the others go on without it.
   */
  async settled(): Promise<void> {
    const all = this.#members.map((member) => member.settled());
    await Promise.race([Promise.all(all), idlePause(this.#limit)]);
  }

  get #limit(): number {
    return this.timeout * shareOfTimeout;
  }

  /** Resolves to how long it took until a majority had answered. */
  async #hearMajority(poll: Poll<Member, Attempt>): Promise<number> {
    const start = clock.monotonic();
    await poll.until(() => poll.isWon || poll.isFailed || poll.answers.length >= this.#majority);
    return clock.monotonic() - start + 1;
  }

  /**
   * Hears until a majority has granted, or enough have refused; where neither comes, for `patience`.
   * The others then have as long again as the majority `took`: an answer that comes now costs less than
   * a grant that is left to be given back.
   */
  async #hearRest(poll: Poll<Member, Attempt>, took: number, patience: number): Promise<void> {
    const isOver = () => poll.isWon || poll.isFailed;
    await poll.until(() => isOver() || poll.isLost, patience);
    await poll.until(isOver, took);
  }

  /** By then so many of those that refused will have let go that a majority is free. */
  #retryAfter(poll: Poll<Member, Attempt>): number | undefined {
    const lives = poll.answers.flatMap((answer) =>
      answer.granted ? [] : (answer.retryAfter ?? []),
    );
    return lives.sort((a, b) => a - b)[this.#majority - poll.yes.length - 1];
  }
}

function verdict(poll: Poll<unknown, boolean>): boolean {
  if (poll.isWon) return true;
  if (poll.isLost) return false;
  throw poll.undecided();
}

function checkStores(stores: readonly LockStore[]): void {
  if (!Array.isArray(stores) || stores.length === 0) {
    throw new TypeError(
      `QuorumStore needs a list of stores, not ${stores?.length === 0 ? 'an empty one' : shown(stores)}`,
    );
  }
  for (const [index, store] of stores.entries()) {
    const operations = [store?.acquire, store?.extend, store?.release];
    if (!operations.every((operation) => typeof operation === 'function')) {
      throw new TypeError(
        `Store ${index + 1} of a quorum must be a LockStore, not ${shown(store)}`,
      );
    }
    if (stores.indexOf(store) !== index) {
      throw new TypeError(`Store ${index + 1} of a quorum is in the list already: it has one vote`);
    }
  }
}
