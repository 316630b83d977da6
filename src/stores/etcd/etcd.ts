/**
 * Locks in etcd, through its JSON gateway.
 *
 * @module dlock-js/etcd
 */
import { randomBytes } from 'node:crypto';
import type { Attempt, LockStore, News } from '../../store.js';
import { checkMarkedRequest } from '../requests.js';
import type { Pair } from './answers.js';
import { Audiences } from './audience.js';
import { Gateway } from './gateway.js';
import { idOf, isPromise, LockKeys } from './keys.js';
import { Leases } from './leases.js';
import { Locks } from './locks.js';
import { type EtcdStoreOptions, maxTtl, readEndpoints, readEtcdOptions } from './options.js';
import { Promises } from './promises.js';
import { Queue } from './queue.js';

export type { EtcdStoreOptions } from './options.js';
export type { EtcdTls } from './transport.js';

/** How often an attempt begins anew because the lock changed hands in the middle of it. */
const rounds = 10;

/**
 * Locks shared by everything that uses the same etcd cluster (3.4 or later). The cluster decides by majority,
 * and forgets nothing when a node crashes: a lock is never held twice, whichever of its nodes fails. The
 * fence is the revision of the cluster.
 *
 * A life is a number of whole seconds, rounded up, and at least two as a rule; when another node takes the
 * lead, it begins anew. The store opens its connections itself, and keeps idle ones for a minute; none keeps
 * the process alive. While somebody waits for a lock, it has one more for that lock, by which it is woken.
 */
export class EtcdStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly maxTtl = maxTtl;
  readonly #prefix: string;
  readonly #mailbox = randomBytes(8).toString('hex');
  readonly #leases: Leases;
  readonly #promises = new Promises();
  readonly #locks: Locks;
  readonly #queue: Queue;
  readonly #audiences: Audiences;

  /**
   * @param endpoints of one cluster: one URL, or several, such as `http://127.0.0.1:2379`.
   * @throws TypeError or RangeError for invalid endpoints or options.
   */
  constructor(endpoints: string | readonly string[], options?: EtcdStoreOptions) {
    const urls = readEndpoints(endpoints);
    const { ttl, timeout, prefix, tls, credentials } = readEtcdOptions(options);
    this.ttl = ttl;
    this.timeout = timeout;
    this.#prefix = prefix;
    const gateway = new Gateway(urls, { timeout, tls, credentials });
    this.#leases = new Leases(gateway);
    const access = { gateway, leases: this.#leases, promises: this.#promises };
    this.#locks = new Locks(access);
    this.#audiences = new Audiences(gateway, this.#promises, this.timeout);
    this.#queue = new Queue(access, this.#locks, this.#audiences);
  }

  async acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    checkMarkedRequest('acquire', token, ttl);
    const keys = this.#keys(name);
    const bid = { keys, token };
    const isQueued = patience !== undefined && this.#audiences.hears(keys);
    // Whoever was called need not look whether it is its turn.
    let revision = this.#audiences.calledAt(keys, idOf(token));
    for (let round = 0; round < rounds; round++) {
      if (isQueued && revision === undefined) {
        const stood = await this.#queue.stand(bid, patience);
        if ('granted' in stood) return stood;
        revision = stood.revision;
      }
      const taken = await this.#locks.take(bid, ttl, revision ?? 0);
      if ('fence' in taken) {
        this.#audiences.leaves(keys, idOf(token));
        return { granted: true, fence: taken.fence };
      }
      if (!isQueued) return this.#refusal(taken.held);
      revision = undefined;
    }
    throw new Error('the lock changed hands each time it was asked for');
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkMarkedRequest('extend', token, ttl);
    return this.#locks.extend({ keys: this.#keys(name), token }, ttl);
  }

  async release(name: string, token: string, heir?: string): Promise<boolean> {
    checkMarkedRequest('release', token, 0);
    const keys = this.#keys(name);
    this.#audiences.leaves(keys, idOf(token));
    return this.#locks.release({ keys, token }, this.#audiences.hears(keys), heir);
  }

  watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    return this.#audiences.watch(this.#keys(name), wake);
  }

  /** Resolves when the leases that nobody uses any more have been revoked, or could not be. */
  settled(): Promise<void> {
    return this.#leases.settled();
  }

  #keys(name: string): LockKeys {
    return new LockKeys(this.#prefix, name, this.#mailbox);
  }

  async #refusal(held: Pair): Promise<Attempt> {
    const { value, lease, modRevision } = held;
    const remaining = lease === undefined ? undefined : () => this.#leases.remaining(lease);
    const retryAfter = isPromise(value) ? this.#promises.left(held) : await remaining?.();
    return { granted: false, retryAfter, holder: `${modRevision}` };
  }
}
