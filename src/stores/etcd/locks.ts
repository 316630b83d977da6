/** Taking, extending and releasing a lock in etcd, each by one transaction. */
import { alarms } from '../places.js';
import type { Json, Pair } from './answers.js';
import type { Gateway } from './gateway.js';
import { idAt, idOf, isPromise, type LockKeys, promiseTo } from './keys.js';
import { isLapsed, type Leases } from './leases.js';
import type { Promises } from './promises.js';
import { compare, type Outcome, operation, transact } from './transactions.js';

/** How often something is tried anew that has changed in the meantime. */
const rounds = 20;

/** Who asks for which lock. */
export interface Bid {
  readonly keys: LockKeys;
  readonly token: string;
}

export interface Access {
  readonly gateway: Gateway;
  readonly leases: Leases;
  readonly promises: Promises;
}

export type Taken = { readonly fence: number } | { readonly held: Pair };

export class Locks {
  readonly #access: Access;
  /** Moves to another lease that may still be carried out: by the lock and the token. */
  readonly #moving = new Set<string>();

  constructor(access: Access) {
    this.#access = access;
  }

  /**
   * Takes the lock, if it was last changed at `revision`: 0, it is free. The fence is the revision of the
   * transaction. Asked again with the same token, it is the same as long as the lock has not moved to another
   * lease.
   */
  async take({ keys, token }: Bid, ttl: number, revision: number): Promise<Taken> {
    const { gateway, leases } = this.#access;
    // Its life counts from here. Where the answer is lost, nobody uses it, and it lapses.
    const lease = await leases.grant(ttl);
    let expected: number | undefined = revision;
    for (let round = 0; round < rounds && expected !== undefined; round++) {
      const outcome: Outcome = await transact(gateway, {
        when: [compare.modified(keys.lock, expected)],
        does: [operation.put(keys.lock, token, lease), operation.remove(keys.place(token))],
        otherwise: [operation.read(keys.lock)],
      });
      const [[held] = []] = outcome.results;
      if (outcome.held) {
        leases.revoke(held?.lease);
        return { fence: outcome.revision };
      }
      if (held?.value === token) {
        leases.revoke(lease);
        return { fence: held.modRevision };
      }
      expected = this.openAt(token, held);
      if (held && expected === undefined) {
        leases.revoke(lease);
        return { held };
      }
    }
    leases.revoke(lease);
    throw new Error('the lock changed each time it was asked for');
  }

  /** The revision of the lock at which the token may take it; undefined: it may not. */
  openAt(token: string, held: Pair | undefined): number | undefined {
    if (!held) return 0;
    if (held.value === promiseTo(idOf(token))) return held.modRevision;
    const hasLapsed = isPromise(held.value) && this.#access.promises.left(held) === 0;
    return hasLapsed ? held.modRevision : undefined;
  }

  /**
   * A lease cannot be granted another time to live: for that the lock moves to a new one. That is bound to the
   * revision that was read, so that a move which is carried out late does nothing; but for that, the lock must
   * have changed, so after a move in doubt it moves again.
   */
  async extend({ keys, token }: Bid, ttl: number): Promise<boolean> {
    const { gateway, leases } = this.#access;
    const move = `${keys.lock} ${token}`;
    for (let round = 0; round < rounds; round++) {
      const look = await transact(gateway, { does: [operation.read(keys.lock)] }, 'repeatable');
      const [[held] = []] = look.results;
      if (held?.value !== token || held.lease === undefined) return false;
      const granted = await leases.keepAlive(held.lease);
      if (granted === 0) return false;
      if (granted === leases.secondsFor(ttl) && !this.#moving.has(move)) return true;
      const lease = await leases.grant(ttl);
      this.#moving.add(move);
      const moved = await transact(gateway, {
        when: [compare.modified(keys.lock, held.modRevision)],
        does: [operation.put(keys.lock, token, lease)],
      });
      this.#moving.delete(move);
      leases.revoke(moved.held ? held.lease : lease);
      if (moved.held) return true;
    }
    throw new Error('the lock changed each time it was extended');
  }

  /**
   * Frees the lock, or promises it to the first in the queue; a promise lives as long as the place did. The
   * comparison with what was read makes sure of the first: the queue only grows at its end.
   *
   * @param expectsQueue it is read first, since a transaction in vain costs more.
   * @returns whether the token held the lock. In any case its place is given up, and a promise to it.
   */
  async release({ keys, token }: Bid, expectsQueue: boolean, heir?: string): Promise<boolean> {
    this.#moving.delete(`${keys.lock} ${token}`);
    const isOurs = compare.value(keys.lock, token);
    if (heir !== undefined && (await this.#bequeath(keys, isOurs, heir))) return true;
    const queue = expectsQueue ? await this.#queue(keys) : [];
    let step = await this.#giveUp({ keys, token }, isOurs, queue);
    if (step.held) return true;
    for (let round = 0; round < rounds; round++) {
      const [, [held] = [], places = []] = step.results;
      const wasOurs = held?.value === token;
      const wasPromised = held?.value === promiseTo(idOf(token));
      // Where nobody holds the lock and some stand in the queue, their first is to know.
      if (held ? !wasOurs && !wasPromised : places.length === 0) return false;
      const unchanged = compare.modified(keys.lock, held?.modRevision ?? 0);
      step = await this.#giveUp({ keys, token }, unchanged, places);
      if (step.held) return wasOurs;
    }
    throw new Error('the queue changed each time the lock was released');
  }

  /** Promises the lock to a token of this process, which asks right behind. */
  async #bequeath(keys: LockKeys, isOurs: Json, heir: string): Promise<boolean> {
    const { held } = await transact(this.#access.gateway, {
      when: [isOurs],
      does: [
        operation.replace(keys.lock, promiseTo(idOf(heir))),
        operation.remove(keys.place(heir)),
      ],
    });
    return held;
  }

  /** The first, and those who are told to look after it. */
  async #queue(keys: LockKeys): Promise<readonly Pair[]> {
    const does = [operation.first(keys.queue, 1 + alarms.length)];
    const { results } = await transact(this.#access.gateway, { does }, 'repeatable');
    return results[0] ?? [];
  }

  /** @param queue its first places, as they were read; none: nobody may stand there. */
  async #giveUp(
    { keys, token }: Bid,
    isUnchanged: Json,
    [next, ...behind]: readonly Pair[],
  ): Promise<Outcome> {
    const { gateway, leases } = this.#access;
    const otherwise = [
      operation.remove(keys.place(token)),
      operation.read(keys.lock),
      operation.first(keys.queue, 1 + alarms.length),
    ];
    const told = behind.slice(0, alarms.length);
    const places = next ? [next, ...told] : [];
    const when = next
      ? places.map(({ key, createRevision }) => compare.created(key, createRevision))
      : [compare.isEmpty(keys.queue)];
    const does = next
      ? [
          operation.put(keys.lock, promiseTo(idAt(next.key)), `${next.lease}`),
          operation.remove(next.key),
          ...told.map(({ key }, rank) => operation.replace(key, `${alarms[rank]}`)),
        ]
      : [operation.remove(keys.lock)];
    try {
      const outcome = await transact(gateway, { when: [isUnchanged, ...when], does, otherwise });
      if (outcome.held) leases.revoke(outcome.results[0]?.[0]?.lease);
      return outcome;
    } catch (error) {
      // The next is dead, and its place about to go; nothing was done.
      if (!next || !isLapsed(error)) throw error;
      return { ...(await transact(gateway, { does: otherwise })), held: false };
    }
  }
}
