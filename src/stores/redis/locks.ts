/**
 * What Redis is asked, and how its answers are read: the same for every client.
 *
 * A lock is the key prefix + name, and holds exactly the token, as in the pattern that redis.io
 * describes under `SET`; so other clients of that pattern and ours exclude each other. Each
 * operation is one script, which Redis runs as one atomic step (redis.io, "Scripting with Lua").
 */
import { shown } from '../../base/shown.js';
import type { Attempt, LockStore } from '../../store.js';
import { type KeyedStoreOptions, readOptions } from '../options.js';
import { checkRequest } from '../requests.js';
import { type OpenSubscriber, RedisSubscriber } from './subscriber.js';

/**
 * For how long, beyond the lock's ttl, Redis remembers the last fence of a lock that nobody takes
 * any more, in milliseconds. After that, fences go on from the server's time, which is larger
 * unless that clock was set back by more than this.
 */
const fenceMemory = 24 * 3_600_000;

/**
 * KEYS: lock, fence. ARGV: token, ttl, the fence's ttl.
 *
 * Answers one integer, which costs less than an array: the fence, positive, if granted; else how
 * long the holder still lives, as a negative number, or 0 if for ever. A fence is a time in
 * microseconds, below 2^53 until the year 2255, and so exact in Lua's numbers; but it must be
 * formatted by hand, since Lua itself would write it as 1.8e+15.
 */
const acquireScript = `
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    local life = redis.call('PTTL', KEYS[1])
    return life == -1 and 0 or -math.max(life, 1)
  end
  local minted = redis.call('GET', KEYS[2])
  if minted then return tonumber(minted) end
end
local time = redis.call('TIME')
local fence = math.max((redis.call('GET', KEYS[2]) or 0) + 1, time[1] * 1000000 + time[2])
redis.call('SET', KEYS[2], string.format('%.0f', fence), 'PX', ARGV[3])
return fence`;

/** KEYS: lock. ARGV: token, ttl. Answers 1, or 0 if the token does not hold the lock. */
const extendScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/**
 * KEYS: lock. ARGV: token, channel (which has the name of the lock's key). Answers 1, or 0 if the token
 * does not hold the lock. Who waits is woken by a message; a user who may not publish must be able to
 * release all the same, hence pcall.
 */
const releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], '')
return 1`;

/** Runs a script by a client's `EVAL`. */
export type Evaluate = (script: string, keys: string[], args: string[]) => Promise<unknown>;

/** A client, as the locks use it. */
export interface RedisAccess {
  readonly evaluate: Evaluate;
  readonly openSubscriber: OpenSubscriber;
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

  /** @param store the name of the class, for messages. */
  protected constructor(store: string, access: RedisAccess, options?: KeyedStoreOptions) {
    const { prefix, ttl, timeout } = readOptions(store, options, { prefix: prefixes });
    this.ttl = ttl;
    this.timeout = timeout;
    this.#prefix = prefix;
    this.#access = access;
    this.#subscriber = new RedisSubscriber(access.openSubscriber, timeout);
  }

  get connected(): boolean | undefined {
    return this.#access.isConnected();
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    const key = this.#prefix + name;
    const args = [token, `${ttl}`, `${ttl + fenceMemory}`];
    const reply = await this.#access.evaluate(acquireScript, [key, fenceKey(key)], args);
    const number = integer(reply);
    if (number > 0) return { granted: true, fence: number };
    return { granted: false, retryAfter: number < 0 ? -number : undefined };
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    const args = [token, `${ttl}`];
    return yesOrNo(await this.#access.evaluate(extendScript, [this.#prefix + name], args));
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    const key = this.#prefix + name;
    return yesOrNo(await this.#access.evaluate(releaseScript, [key], [token, key]));
  }

  watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    return this.#subscriber.watch(this.#prefix + name, wake);
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

/** Those out of reach of the fences, and of which each is another text in UTF-8. */
const prefixes = { allowed: /^(?!\0)\P{Cs}*$/u, rule: 'be well-formed and not begin with NUL' };

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

function unexpected(reply: unknown): Error {
  return new TypeError(`unexpected reply ${shown(reply)}`);
}
