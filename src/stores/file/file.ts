/**
 * Locks in a directory, for the processes of one machine: the embedded default.
 *
 * @module dlock-js/file
 */
import { shown } from '../../base/shown.js';
import type { Attempt, LockStore } from '../../store.js';
import { readOptions, type StoreOptions } from '../options.js';
import { checkRequest } from '../requests.js';
import { type Holder, isList, livingHolders, removeLists, writeList } from './holders.js';
import { type State, wallTime } from './state.js';
import { States } from './states.js';
import { sweepHourly } from './sweep.js';
import { watchDirectory } from './watch.js';

/** The times of a {@link FileStore}. */
export interface FileStoreOptions extends StoreOptions {}

/**
 * Locks shared by the processes of one machine that use the same directory.
 *
 * A lock is a directory with exactly one empty file, whose name is the lock's state; and, if several hold the
 * lock, a list of them. The state is changed by renaming that file: of all processes that read the same
 * state, only one still finds it, however long the others stalled in between. So each transition is a
 * compare-and-swap, a crash leaves either the old state or the new, and there is nothing to repair.
 *
 * A new directory starts from a random generation, and its lock is free; taking it is a transition like any
 * other. So no state of a lock ever recurs, whatever the clock does, and a lock that nobody has held for a
 * day can be removed together with its fence: the next fence is the time of its grant, in microseconds, and
 * therefore larger, unless the wall clock was set back by more than that day. See `sweep.ts`.
 *
 * The file system must be local; the directory is created when first needed, for its owner only.
 */
export class FileStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  /** So that the end of a life, in milliseconds since the epoch, is an exact number. */
  readonly maxTtl = 2 ** 52;
  readonly #states: States;

  /** @throws TypeError or RangeError if the directory is not named, or for invalid options. */
  constructor(directory: string, options?: FileStoreOptions) {
    if (typeof directory !== 'string' || directory === '') {
      throw new TypeError(
        `FileStore needs the path of a directory, not ${directory === '' ? 'an empty one' : shown(directory)}`,
      );
    }
    const { ttl, timeout } = readOptions('FileStore', options, { maxTtl: this.maxTtl });
    this.ttl = ttl;
    this.timeout = timeout;
    this.#states = new States(directory);
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    return this.#acquire(name, token, ttl, 1);
  }

  async acquireShared(name: string, token: string, ttl: number, limit: number): Promise<Attempt> {
    return this.#acquire(name, token, ttl, limit);
  }

  async #acquire(name: string, token: string, ttl: number, limit: number): Promise<Attempt> {
    checkRequest('acquire', token, ttl);
    if (!/^[\w-]+$/.test(token)) throw new TypeError(`A token must be a plain word, not ${token}`);
    for (;;) {
      const state = (await this.#states.read(name)) ?? (await this.#states.create(name));
      const holders = state && (await livingHolders(this.#states.pathOf(name), state));
      if (!state || !holders) continue;
      const now = wallTime();
      if (holders.some((holder) => holder.token === token)) {
        return { granted: true, fence: state.fence };
      }
      const isAlone = holders.length > 0 && !isList(state.token);
      if (isAlone || holders.length >= limit) {
        const ends = holders.map(({ end }) => end);
        const end = limit === 1 ? Math.max(...ends) : Math.min(...ends);
        return { granted: false, retryAfter: Math.max(1, end - now) };
      }
      const fence = Math.max(state.fence + 1, now * 1_000);
      if (!Number.isSafeInteger(fence)) throw new RangeError(`${fence} is too large for a fence`);
      const all = [...holders, { token, end: now + ttl }];
      const next = { fence, holders: all, isShared: limit > 1 };
      if (!(await this.#change(name, state, next))) continue;
      sweepHourly(this.#states.directory);
      return { granted: true, fence };
    }
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    return this.#changeOwn(name, token, () => [{ token, end: wallTime() + ttl }]);
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    return this.#changeOwn(name, token, () => []);
  }

  /** The system reports changes in the directory of the lock: renewals too, and not everywhere. */
  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    return watchDirectory(this.#states.pathOf(name), wake);
  }

  /** Puts something in place of the holder `token`, if it is one. */
  async #changeOwn(name: string, token: string, instead: () => Holder[]): Promise<boolean> {
    for (;;) {
      const state = await this.#states.read(name);
      if (!state) return false;
      const holders = await livingHolders(this.#states.pathOf(name), state);
      if (!holders) continue;
      const others = holders.filter((holder) => holder.token !== token);
      if (others.length === holders.length) return false;
      const { fence } = state;
      const next = { fence, holders: [...others, ...instead()], isShared: isList(state.token) };
      if (await this.#change(name, state, next)) return true;
    }
  }

  /** Moves the lock on to its next state; false: somebody else has done so since `state` was read. */
  async #change(name: string, state: State, { fence, holders, isShared }: Next): Promise<boolean> {
    const path = this.#states.pathOf(name);
    const generation = state.generation + 1;
    const [first = { token: '', end: wallTime() }] = holders;
    const isListed = isShared && holders.length > 0;
    const token = isListed ? await writeList(path, generation, holders) : first.token;
    if (token === undefined) return false;
    const end = Math.max(first.end, ...holders.map((holder) => holder.end));
    const isChanged = await this.#states.swap(name, state, { generation, fence, end, token });
    await removeLists(path, [isChanged ? state.token : token]);
    return isChanged;
  }
}

/** What a state is to be followed by. */
interface Next {
  readonly fence: number;
  readonly holders: readonly Holder[];
  readonly isShared: boolean;
}
