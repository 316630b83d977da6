/**
 * What Redis is asked, and how its answers are read: the same for every client.
 *
 * A lock is the key prefix + name, and holds exactly the token, as in the pattern that redis.io
 * describes under `SET`; so other clients of that pattern and ours exclude each other. Each
 * operation is one script.
 */
import { randomBytes } from 'node:crypto';
import { shown } from '../../base/shown.js';
import type { Attempt, LockStore, News } from '../../store.js';
import { type KeyedStoreOptions, readOptions, textPrefixes } from '../options.js';
import { checkMarkedRequest } from '../requests.js';
import {
  acquireInTurnScript,
  acquireScript,
  acquireSharedScript,
  extendScript,
  releaseScript,
  type Script,
} from './scripts.js';
import { type OpenSubscriber, RedisSubscriber } from './subscriber.js';

/**
 * For how long, beyond the lock's ttl, Redis remembers the last fence of a lock that nobody takes
 * any more, in milliseconds. After that, fences go on from the server's time, which is larger
 * unless that clock was set back by more than this.
 */
const fenceMemory = 24 * 3_600_000;

/** Runs a script, or the one of that digest, by a client's `EVAL` or `EVALSHA`. */
export type Evaluate = (script: string, keys: string[], args: string[]) => Promise<unknown>;

/** A client, as the locks use it. */
export interface RedisAccess {
  readonly evaluate: Evaluate;
  /** Absent: the text of a script is sent each time. */
  readonly evaluateDigest?: Evaluate;
  readonly openSubscriber: OpenSubscriber;
  /** Whether the subscriber is connected to the very server that carries out the scripts. */
  readonly hasOneServer: boolean;
  /** False: it has no connection to the server. Undefined: it does not say. */
  isConnected(): boolean | undefined;
}

/** The locks of a Redis database, whatever client leads to it. */
export abstract class RedisLocks implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly ordered = true;
  readonly #access: RedisAccess;
  readonly #prefix: string;
  readonly #subscriber: RedisSubscriber;
  /** Scripts that the server has seen. */
  readonly #seen = new Set<Script>();

  /** @param store the name of the class, for messages. */
  protected constructor(store: string, access: RedisAccess, options?: KeyedStoreOptions) {
    const { prefix, ttl, timeout } = readOptions(store, options, { prefix: textPrefixes });
    this.ttl = ttl;
    this.timeout = timeout;
    this.#prefix = prefix;
    this.#access = access;
    const mailbox = `${prefix}\0${randomBytes(16).toString('hex')}`;
    this.#subscriber = new RedisSubscriber(access.openSubscriber, mailbox, timeout);
  }

  get connected(): boolean | undefined {
    return this.#access.isConnected();
  }

  async acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    checkMarkedRequest('acquire', token, ttl);
    const key = this.#prefix + name;
    const args = [token, `${ttl}`, `${ttl + fenceMemory}`];
    const bid = this.#bid(key, patience);
    if (bid.length > 0) return this.#evaluateInTurn(acquireInTurnScript, key, [...args, ...bid]);
    const reply = await this.#evaluate(acquireScript, [key, fenceKey(key)], args);
    const number = integer(reply);
    if (number > 0) return { granted: true, fence: number };
    return { granted: false, retryAfter: number < 0 ? -number : undefined };
  }

  async acquireShared(
    name: string,
    token: string,
    ttl: number,
    limit: number,
    patience?: number,
  ): Promise<Attempt> {
    checkMarkedRequest('acquire', token, ttl);
    const key = this.#prefix + name;
    const most = `${Math.min(limit, Number.MAX_SAFE_INTEGER)}`;
    const args = [token, `${ttl}`, `${ttl + fenceMemory}`, most, key, ...this.#bid(key, patience)];
    return this.#evaluateInTurn(acquireSharedScript, key, args);
  }

  /** What is said of those who wait: their patience and their mailbox. Nothing, if they cannot be woken. */
  #bid(key: string, patience: number | undefined): string[] {
    if (patience === undefined || !this.#subscriber.hears(key)) return [];
    return [`${patience}`, `${this.#access.hasOneServer ? '!' : '?'}${this.#subscriber.mailbox}`];
  }

  async #evaluateInTurn(script: Script, key: string, args: string[]): Promise<Attempt> {
    const keys = [key, fenceKey(key), ...queueKeys(key), holdersKey(key)];
    const reply = await this.#evaluate(script, keys, args);
    if (!Array.isArray(reply)) return { granted: true, fence: positive(reply) };
    const [life, kept] = [integer(reply[0]), integer(reply[1])];
    if (life < 0 || kept < 0 || reply.length !== 2) throw unexpected(reply);
    return { granted: false, retryAfter: life || undefined, placeFor: kept || undefined };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkMarkedRequest('extend', token, ttl);
    const args = [token, `${ttl}`];
    const key = this.#prefix + name;
    return yesOrNo(await this.#evaluate(extendScript, [key, holdersKey(key)], args));
  }

  async release(name: string, token: string, heir = ''): Promise<boolean> {
    checkMarkedRequest('release', token, 0);
    const key = this.#prefix + name;
    const keys = [key, ...queueKeys(key), holdersKey(key)];
    return yesOrNo(await this.#evaluate(releaseScript, keys, [token, key, heir]));
  }

  watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    return this.#subscriber.watch(this.#prefix + name, wake);
  }

  /**
   * A server that has seen a script runs it by its digest: a kilobyte less to send and to hash. It may have
   * forgotten it (a restart, `SCRIPT FLUSH`), and the next node of a cluster not seen it yet.
   */
  #evaluate(script: Script, keys: string[], args: string[]): Promise<unknown> {
    const { evaluate, evaluateDigest } = this.#access;
    if (evaluateDigest && this.#seen.has(script)) {
      return evaluateDigest(script.digest, keys, args).catch((error) => {
        if (!/^NOSCRIPT /.test(error?.message)) throw error;
        return evaluate(script.text, keys, args);
      });
    }
    return evaluate(script.text, keys, args).then((reply) => {
      this.#seen.add(script);
      return reply;
    });
  }
}

/**
 * The key of a lock's fence: a NUL and the lock's key. It lies in the same slot of a cluster
 * whatever the key holds, braces too, since a leading NUL changes neither the hash tag nor the
 * CRC16, which starts from 0 (redis.io, "Cluster specification"). And no lock has that key, under
 * whatever prefix: those of callers begin with no NUL, and those of Dlock itself with exactly two,
 * so that fences begin with one or with three.
 */
function fenceKey(key: string): string {
  return `\0${key}`;
}

/** The keys of a lock's queue, likewise: those begin with four to seven NULs. */
function queueKeys(key: string): [queue: string, places: string] {
  return [`\0\0\0\0${key}`, `\0\0\0\0\0${key}`];
}

/** The key of those who hold a lock beside others, likewise: it begins with eight NULs, or ten. */
function holdersKey(key: string): string {
  return `\0\0\0\0\0\0\0\0${key}`;
}

function yesOrNo(reply: unknown): boolean {
  const number = integer(reply);
  if (number === 0 || number === 1) return number === 1;
  throw unexpected(reply);
}

/**
 * An integer, as a number or in digits: clients can be set to give numbers as strings (`stringNumbers`
 * of ioredis, the type mapping of node-redis), and not all can be asked for numbers nevertheless.
 */
function integer(reply: unknown): number {
  const number = typeof reply === 'string' && `${Number(reply)}` === reply ? Number(reply) : reply;
  if (Number.isSafeInteger(number)) return number as number;
  throw unexpected(reply);
}

function positive(reply: unknown): number {
  const number = integer(reply);
  if (number > 0) return number;
  throw unexpected(reply);
}

function unexpected(reply: unknown): Error {
  return new TypeError(`unexpected reply ${shown(reply)}`);
}
