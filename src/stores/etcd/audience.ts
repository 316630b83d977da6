/**
 * Those who wait for locks through one store, and how etcd wakes them: for each lock a stream, which tells of the
 * end of the lock, and of what happens to the places of this store in its queue, and of nothing else. So the news
 * of a hand-over goes to the next alone, and to those right behind it.
 */
import { outsideCallers } from '../../base/context.js';
import { within } from '../../base/time-limit.js';
import type { News } from '../../store.js';
import { alarms } from '../places.js';
import type { Gateway } from './gateway.js';
import { idAt, type LockKeys } from './keys.js';
import type { Promises } from './promises.js';
import { type Change, WatchStream } from './stream.js';

type Wake = (news?: News) => void;

interface Place {
  readonly token: string;
  /** How many stood before it, as far as is known. */
  ahead: number;
}

interface Audience {
  readonly stream: WatchStream;
  readonly wakes: Set<Wake>;
  /** By the ids of their tokens. */
  readonly places: Map<string, Place>;
  /** Those that were called, by their ids: the revision at which the lock was promised to them. */
  readonly called: Map<string, number>;
}

export class Audiences {
  readonly #gateway: Gateway;
  readonly #promises: Promises;
  readonly #timeout: number;
  /** By the keys of their locks. */
  readonly #audiences = new Map<string, Audience>();

  constructor(gateway: Gateway, promises: Promises, timeout: number) {
    this.#gateway = gateway;
    this.#promises = promises;
    this.#timeout = timeout;
  }

  /** Resolves once etcd has confirmed that it will tell. */
  async watch(keys: LockKeys, wake: Wake): Promise<AsyncDisposable> {
    const audience = this.#audiences.get(keys.lock) ?? this.#open(keys);
    // A function of its own, so that the same one may watch twice.
    const own = (news?: News) => wake(news);
    audience.wakes.add(own);
    const stop = async () => {
      if (!audience.wakes.delete(own) || audience.wakes.size > 0) return;
      audience.stream.close();
      if (this.#audiences.get(keys.lock) === audience) this.#audiences.delete(keys.lock);
    };
    try {
      await within(this.#timeout, 'not watching', audience.stream.opened, 'idle');
      return { [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Whether those who wait for the lock can be told of something now. */
  hears({ lock }: LockKeys): boolean {
    return this.#audiences.get(lock)?.stream.isUp === true;
  }

  /** A token is about to get a place: what happens to it from now on is news. */
  stands({ lock }: LockKeys, id: string, token: string, ahead: number): void {
    this.#audiences.get(lock)?.places.set(id, { token, ahead });
  }

  /** It has no place any more, or never got it. */
  leaves({ lock }: LockKeys, id: string): void {
    this.#audiences.get(lock)?.places.delete(id);
    this.#audiences.get(lock)?.called.delete(id);
  }

  /** The revision at which the lock was promised to a token; undefined: it was not, or this was asked before. */
  calledAt({ lock }: LockKeys, id: string): number | undefined {
    const called = this.#audiences.get(lock)?.called;
    const revision = called?.get(id);
    called?.delete(id);
    return revision;
  }

  #open(keys: LockKeys): Audience {
    const watched = [{ key: keys.lock, filters: ['NOPUT'] }, keys.own];
    const wakes = new Set<Wake>();
    const events = {
      change: (change: Change) => this.#changed(keys, audience, change),
      restored: () => wakeAll(audience),
    };
    const stream = outsideCallers(() => new WatchStream(this.#gateway, watched, events));
    const audience: Audience = { stream, wakes, places: new Map(), called: new Map() };
    this.#audiences.set(keys.lock, audience);
    return audience;
  }

  #changed({ lock }: LockKeys, audience: Audience, { pair, isRemoval }: Change): void {
    if (pair.key === lock) {
      this.#freed(audience);
      return;
    }
    const id = idAt(pair.key);
    const place = audience.places.get(id);
    if (!place) return;
    const { token } = place;
    if (isRemoval) {
      audience.places.delete(id);
      audience.called.set(id, pair.modRevision);
      wakeAll(audience, { token });
    } else if (pair.value !== '') {
      const after = Number(pair.value);
      place.ahead = alarms.indexOf(after);
      this.#promises.left({ key: lock, modRevision: pair.modRevision });
      wakeAll(audience, { token, after });
    }
  }

  /** By a release for which nobody stood in the queue, or since its holder is dead: then the first is to ask. */
  #freed(audience: Audience): void {
    const places = [...audience.places.values()];
    if (places.length === 0 || places.some(({ ahead }) => ahead <= 0)) wakeAll(audience);
  }
}

function wakeAll({ wakes }: Audience, news?: News): void {
  for (const wake of wakes) wake(news);
}
