/**
 * Locks in Memcached, through memcache-client.
 *
 * @module dlock-js/memcache
 */
import { createHash } from 'node:crypto';
import { warn } from '../base/events.js';
import type { Attempt, LockStore } from '../store.js';
import { checkClient } from './clients.js';
import { type Corkable, corkForNow } from './cork.js';
import { type KeyedStoreOptions, readOptions } from './options.js';
import { checkRequest } from './requests.js';

/** The part of a memcache-client that the store needs. */
export interface MemcacheClient {
  /** What it was made with: its server must be a single one. */
  readonly options?: { readonly server?: unknown } | undefined;
  /**
   * Sends the one command that `write` writes; resolves to the words of the reply, or to the items found, by
   * their keys; or rejects with the words.
   */
  xsend(write: (connection?: MemcacheConnection) => void): Promise<unknown>;
}

/** A connection to the server. */
interface MemcacheConnection extends Corkable {
  write(text: string): unknown;
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
const prefixes = {
  allowed: /^[!-~]{0,186}$/,
  rule: 'be at most 186 printable ASCII characters without spaces',
};
/** What the client would find on the prototype of the plain object in which it looks replies up. */
const inherited: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));
/** A negative expiry time: immediately expired (protocol.txt); the next `add` succeeds. */
const expired = -1;

/**
 * Locks shared by everything that uses the same Memcached server. The lock is the item prefix + name and
 * holds the token. There is no fence: a restart or an eviction would break it.
 *
 * The client still belongs to the caller. It must use one server only: a client that distributes keys over
 * servers at random excludes nobody.
 */
export class MemcacheStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly maxTtl = (maxSeconds - 2) * 1_000;
  readonly #client: MemcacheClient;
  readonly #prefix: string;

  /**
   * @throws TypeError or RangeError for another client, for one with several servers, or for invalid
   * options.
   */
  constructor(client: MemcacheClient, options?: MemcacheStoreOptions) {
    checkClient('memcache-client', client);
    if (!checkServers(client)) {
      warn(
        'MemcacheStore cannot see how many servers its client uses: with several, two may hold a lock',
        'DLOCK_SERVERS_UNKNOWN',
      );
    }
    const limits = { maxTtl: this.maxTtl, prefix: prefixes };
    const { prefix, ttl, timeout } = readOptions('MemcacheStore', options, limits);
    this.ttl = ttl;
    this.timeout = timeout;
    this.#prefix = prefix;
    this.#client = client;
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    checkServers(this.#client);
    const key = this.#key(name);
    const answer = await this.#store('add', key, token, lifetimeOf(ttl));
    if (answer === 'STORED') return { granted: true };
    if (answer !== 'NOT_STORED') throw unexpected(answer);
    const value = (await this.#item(key))?.value;
    if (value === token) return { granted: true };
    return { granted: false, ...(typeof value === 'string' && { holder: value.slice(0, 8) }) };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    return this.#replace(name, token, lifetimeOf(ttl));
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
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
      const answer = await this.#store('cas', key, token, lifetime, item.casUniq);
      if (answer === 'STORED') return true;
      if (answer === 'NOT_FOUND') return false;
      if (answer !== 'EXISTS') throw unexpected(answer);
    }
    throw new Error('Memcached reported a change at every compare-and-swap');
  }

  /**
   * A storage command (protocol.txt). Answers the first word of the reply, which the client resolves to or
   * rejects with.
   */
  async #store(
    command: 'add' | 'cas',
    key: string,
    token: string,
    lifetime: number,
    casUniq?: string,
  ): Promise<string> {
    const size = Buffer.byteLength(token);
    const unique = casUniq ? ` ${casUniq}` : '';
    try {
      const reply = await this.#send(
        `${command} ${key} 0 ${lifetime} ${size}${unique}\r\n${token}`,
      );
      return String((reply as string[])[0]);
    } catch (error) {
      const word = (error as { cmdTokens?: string[] }).cmdTokens?.[0];
      if (word === 'NOT_STORED' || word === 'EXISTS' || word === 'NOT_FOUND') return word;
      throw error;
    }
  }

  async #item(key: string): Promise<{ value: unknown; casUniq: string } | undefined> {
    const items = (await this.#send(`gets ${key}`)) as Record<string, Item>;
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

  /** The client itself would write each command at once, in a packet of its own. */
  #send(command: string): Promise<unknown> {
    return this.#client.xsend((connection) => {
      if (!connection) throw new Error('not connected');
      corkForNow(connection);
      connection.write(`${command}\r\n`);
    });
  }

  /**
   * Memcached takes keys of at most 250 bytes without spaces and control characters
   * (protocol.txt, "Keys"). All other names go by their hash; so do those that look like a hash, and
   * those that the client would take for found.
   */
  #key(name: string): string {
    const key = this.#prefix + name;
    const plain = /^[!-~]+$/.test(key) && key.length <= maxKeyLength && !inherited.has(key);
    if (plain && !/^[0-9a-f]{64}$/.test(name)) return key;
    return this.#prefix + createHash('sha256').update(name).digest('hex');
  }
}

/**
 * A client with several servers asks one of them by chance: a lock that is held on one is free on the
 * next. The list is the user's, and may grow while the client is in use.
 *
 * @returns false where the client does not tell its servers.
 * @throws TypeError for several servers.
 */
function checkServers({ options }: MemcacheClient): boolean {
  if (typeof options?.server === 'string') return true;
  const servers = serversOf(options?.server);
  if (servers.some((server) => server !== servers[0])) {
    throw new TypeError(
      `MemcacheStore needs a client of one server, not ${servers.length}: a QuorumStore takes a store for each`,
    );
  }
  return servers.length > 0;
}

/** The addresses in the `server` of memcache-client's options, in all its forms. */
function serversOf(server: unknown): readonly unknown[] {
  if (typeof server === 'string') return [server];
  const { server: single, servers } = Object(server) as { server?: unknown; servers?: unknown };
  if (single) return serversOf(single);
  return Array.isArray(servers) ? servers.flatMap(serversOf) : [];
}

/**
 * Memcached counts whole seconds, and looks at the clock about once a second, a little later each
 * time: now and then it misses one. So an item with lifetime n lives for more than n - 2 seconds, and
 * at most n.
 */
function lifetimeOf(ttl: number): number {
  return Math.ceil(ttl / 1_000) + 2;
}

function unexpected(answer: unknown): Error {
  return new TypeError(
    `Memcached answered ${JSON.stringify(answer)}, which the request does not allow`,
  );
}
