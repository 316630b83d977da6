/** Standing in the queue of a lock: a place is a key that lives as long as whoever waits asks again in time. */
import type { Attempt } from '../../store.js';
import { farBehind, keptFor } from '../places.js';
import type { Audiences } from './audience.js';
import { idOf, isPromise } from './keys.js';
import type { Access, Bid, Locks } from './locks.js';
import { compare, operation, transact } from './transactions.js';

/** How often a place is asked for that lapses, or a lock that comes free, in the meantime. */
const rounds = 20;

/** Refused; or the lock may be taken, if it was last changed at `revision`. */
export type Stood = Extract<Attempt, { granted: false }> | { readonly revision: number };

export class Queue {
  readonly #access: Access;
  readonly #locks: Locks;
  readonly #audiences: Audiences;

  constructor(access: Access, locks: Locks, audiences: Audiences) {
    this.#access = access;
    this.#locks = locks;
    this.#audiences = audiences;
  }

  /** Keeps the place of a token, or gives it the last one, while somebody holds the lock or it is promised. */
  async stand(bid: Bid, patience: number): Promise<Stood> {
    const { gateway, leases, promises } = this.#access;
    const { keys, token } = bid;
    const [place, id] = [keys.place(token), idOf(token)];
    for (let round = 0; round < rounds; round++) {
      const look = [
        operation.read(keys.lock),
        operation.read(place),
        operation.first(keys.queue, farBehind + 1),
      ];
      const { results } = await transact(gateway, { does: look }, 'repeatable');
      const [[held] = [], [own] = [], places = []] = results;
      const revision = this.#locks.openAt(token, held);
      if (held?.value === token) return { revision: 0 };
      if (revision !== undefined) return { revision };
      const rank = places.findIndex(({ key }) => key === place);
      const ahead = rank < 0 ? places.length : rank;
      const kept = keptFor(patience, ahead);
      this.#audiences.stands(keys, id, token, ahead);
      const stands = own?.lease
        ? (await leases.keepAlive(own.lease)) > 0
        : await this.#add(bid, kept);
      if (stands) {
        const retryAfter = held && isPromise(held.value) ? promises.left(held) : undefined;
        return { granted: false, placeFor: kept, ...(ahead === 0 && { retryAfter }) };
      }
      this.#audiences.leaves(keys, id);
    }
    throw new Error('the queue changed each time a place in it was asked for');
  }

  /** False: the lock has come free, or there is such a place. */
  async #add({ keys, token }: Bid, kept: number): Promise<boolean> {
    const { gateway, leases } = this.#access;
    const place = keys.place(token);
    const lease = await leases.grant(kept);
    const { held } = await transact(gateway, {
      when: [compare.exists(keys.lock), compare.created(place, 0)],
      does: [operation.put(place, '', lease)],
    });
    if (!held) leases.revoke(lease);
    return held;
  }
}
