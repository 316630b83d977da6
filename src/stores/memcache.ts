/**
 * Locks in Memcached, through memcache-client.
 *
 * @module dlock-js/memcache
 */
import { createHash } from 'node:crypto';
import type { Attempt, LockStore } from '../store.js';
import { checkPrefix, defaults, type KeyedStoreOptions } from './options.js';

/** The part of a memcache-client that the store needs. */
export interface MemcacheClient {
  /** The command of the same name; resolves to the words of the reply, or rejects with them. */
  add(key: string, value: string, options: { lifetime: number }): Promise<unknown>;
  /** The command of the same name; resolves to undefined for a miss. */
  gets(keys: string[]): Promise<unknown>;
  /** The command of the same name; resolves to the words of the reply, or rejects with them. */
  cas(key: string, value: string, options: { lifetime: number; casUniq: string }): Promise<unknown>;
}

/** `prefix` must be printable ASCII without spaces, at most 186 characters. */
export interface MemcacheStoreOptions extends KeyedStoreOptions {}

interface Item {
  readonly value: unknown;
  readonly casUniq: unknown;
}

const maxKeyLength = 250;
/** The server reads a longer expiry time, in seconds, as a date (protocol.txt, "Expiration times"). */
const maxSeconds = 30 * 24 * 3_600;
/** A negative expiry time: immediately expired (protocol.txt); the next `add` succeeds. */
const expired = -1;

/**
 * Excludes among all that use the same Memcached server. The lock is the item prefix + name and
 * holds the token. There is no fence: a restart or an eviction would break it.
 *
 * The client stays the caller's. Let it use one server only: a client that spreads keys over
 * servers by chance excludes nobody.
 */
export class MemcacheStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly maxTtl = (maxSeconds - 2) * 1_000;
  readonly #client: MemcacheClient;
  readonly #prefix: string;

  /** @throws TypeError or RangeError for options that cannot be meant. */
  constructor(
    client: MemcacheClient,
    {
      prefix = defaults.prefix,
      ttl = defaults.ttl,
      timeout = defaults.timeout,
    }: MemcacheStoreOptions = {},
  ) {
    if (typeof client?.gets !== 'function' || typeof client.cas !== 'function') {
      throw new TypeError(`MemcacheStore needs a client of memcache-client, not ${typeof client}`);
    }
    checkPrefix(prefix, /^[!-~]{0,186}$/, 'be at most 186 printable ASCII characters, no space');
    this.ttl = ttl;
    this.timeout = timeout;
    this.#prefix = prefix;
    this.#client = client;
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    const key = this.#key(name);
    const answer = await answered(this.#client.add(key, token, { lifetime: lifetimeOf(ttl) }));
    if (answer === 'STORED') return { granted: true };
    if (answer !== 'NOT_STORED') throw unexpected(answer);
    return { granted: (await this.#item(key))?.value === token };
  }

  extend(name: string, token: string, ttl: number): Promise<boolean> {
    return this.#replace(name, token, lifetimeOf(ttl));
  }

  release(name: string, token: string): Promise<boolean> {
    return this.#replace(name, token, expired);
  }

  /**
   * Gives the item another lifetime if it holds `token`, by compare-and-swap. EXISTS only means that
   * it was written since we read it, which a renewal of ours does too: read again.
   */
  async #replace(name: string, token: string, lifetime: number): Promise<boolean> {
    const key = this.#key(name);
    for (let round = 0; round < 10; round++) {
      const item = await this.#item(key);
      if (item?.value !== token) return false;
      const swap = this.#client.cas(key, token, { lifetime, casUniq: item.casUniq });
      const answer = await answered(swap);
      if (answer === 'STORED') return true;
      if (answer === 'NOT_FOUND') return false;
      if (answer !== 'EXISTS') throw unexpected(answer);
    }
    throw new Error('Memcached reported a change at every compare-and-swap');
  }

  /** Asks for a list of one key: asked for the key alone, the client takes any answer for a miss. */
  async #item(key: string): Promise<{ value: unknown; casUniq: string } | undefined> {
    const items = (await this.#client.gets([key])) as Record<string, Item>;
    const isExpected = !Array.isArray(items) && Object.keys(items).every((found) => found === key);
    if (!isExpected) throw unexpected(items);
    const item = items[key];
    if (item === undefined) return undefined;
    const casUniq = String(item.casUniq);
    if (!/^[1-9]\d*$/.test(casUniq)) {
      throw new Error(`Memcached gave the cas number ${casUniq}; does the server run with -C?`);
    }
    return { value: item.value, casUniq };
  }

  /**
   * Memcached takes keys of at most 250 bytes without spaces and control characters
   * (protocol.txt, "Keys"). All other names go by their hash; so do those that look like a hash, and
   * those that the client, which looks replies up in a plain object, would find on its prototype.
   */
  #key(name: string): string {
    const key = this.#prefix + name;
    const plain = /^[!-~]+$/.test(key) && key.length <= maxKeyLength && !(key in {});
    if (plain && !/^[0-9a-f]{64}$/.test(name)) return key;
    return this.#prefix + createHash('sha256').update(name).digest('hex');
  }
}

/**
 * Memcached counts whole seconds, and looks at the clock about once a second, a little later each
 * time: now and then it misses one. So an item with lifetime n lives for more than n - 2 seconds, and
 * at most n.
 */
function lifetimeOf(ttl: number): number {
  return Math.ceil(ttl / 1_000) + 2;
}

/** The first word of the server's answer, which the client resolves to or rejects with. */
async function answered(reply: Promise<unknown>): Promise<string> {
  try {
    return String(((await reply) as string[])[0]);
  } catch (error) {
    const word = (error as { cmdTokens?: string[] }).cmdTokens?.[0];
    if (word === 'NOT_STORED' || word === 'EXISTS' || word === 'NOT_FOUND') return word;
    throw error;
  }
}

function unexpected(answer: unknown): Error {
  return new TypeError(
    `Memcached answered ${JSON.stringify(answer)}, which the request does not allow`,
  );
}
