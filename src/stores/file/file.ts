/**
 * Locks in a directory, for the processes of one machine: the embedded default.
 *
 * @module dlock-js/file
 */
import { lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Attempt, LockStore } from '../../store.js';
import { readOptions, type StoreOptions } from '../options.js';
import { checkRequest } from '../requests.js';
import { type Holder, isList, livingHolders, removeListsBefore, writeList } from './holders.js';
import {
  directoryName,
  firstState,
  newAsideName,
  parseState,
  type State,
  stateName,
  wallTime,
} from './state.js';
import { sweepHourly } from './sweep.js';
import { watchDirectory } from './watch.js';

/** The times of a {@link FileStore}. */
export interface FileStoreOptions extends StoreOptions {}

/**
 * Excludes among the processes of one machine that use the same directory.
 *
 * A lock is a directory with exactly one empty file, whose name is the lock's state (and a list of its
 * holders where these are several). To change the state is to rename that file: of all who read the same state, one alone still finds it, however
 * long the others stalled in between. So each transition is a compare-and-swap, a crash leaves
 * either the old state or the new, and there is nothing to repair.
 *
 * A new directory starts from a random generation, and its lock is free; to take it is a transition
 * like any other. So no state of a lock ever recurs, whatever the clock does, and a lock that nobody
 * has held for a day can be removed together with its fence: the next fence is the time of its
 * grant, in microseconds, and so larger, unless the wall clock was set back by more than that day.
 * See `file-sweep.ts`.
 *
 * The file system must be local; the directory is made when first needed, for its owner only.
 */
export class FileStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  /** So that the end of a life, in milliseconds since the epoch, is an exact number. */
  readonly maxTtl = 2 ** 52;
  readonly #directory: string;
  #trusted = false;

  /** @throws TypeError or RangeError if the directory is not named, or for invalid options. */
  constructor(directory: string, options?: FileStoreOptions) {
    if (typeof directory !== 'string' || directory === '') {
      throw new TypeError(
        `FileStore needs the path of a directory, not ${directory === '' ? 'an empty one' : typeof directory}`,
      );
    }
    const { ttl, timeout } = readOptions('FileStore', options, { maxTtl: this.maxTtl });
    this.ttl = ttl;
    this.timeout = timeout;
    this.#directory = resolve(directory);
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
      const state = (await this.#read(name)) ?? (await this.#create(name));
      const holders = state && (await livingHolders(this.#path(name), state));
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
      if (!(await this.#change(name, state, { fence, holders: all, isShared: limit > 1 })))
        continue;
      sweepHourly(this.#directory);
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
    return watchDirectory(this.#path(name), wake);
  }

  /** Puts something in place of the holder `token`, if it is one. */
  async #changeOwn(name: string, token: string, instead: () => Holder[]): Promise<boolean> {
    for (;;) {
      const state = await this.#read(name);
      if (!state) return false;
      const holders = await livingHolders(this.#path(name), state);
      if (!holders) continue;
      const others = holders.filter((holder) => holder.token !== token);
      if (others.length === holders.length) return false;
      const { fence } = state;
      const change = { fence, holders: [...others, ...instead()], isShared: isList(state.token) };
      if (await this.#change(name, state, change)) return true;
    }
  }

  /** Moves the lock on to its next state; false: somebody else has done so since `state` was read. */
  async #change(
    name: string,
    state: State,
    { fence, holders, isShared }: { fence: number; holders: Holder[]; isShared: boolean },
  ): Promise<boolean> {
    const path = this.#path(name);
    const generation = state.generation + 1;
    const end = Math.max(...holders.map((holder) => holder.end));
    const [{ token: alone } = { token: '' }] = holders;
    const list = isShared && alone ? writeList(path, generation, holders) : undefined;
    const token = list ? await unlessMissing(list) : alone;
    if (token === undefined) return false;
    const next = { generation, fence, end: alone ? end : wallTime(), token };
    const isChanged = await this.#swap(name, state, next);
    if (isChanged && isList(state.token)) await removeListsBefore(path, generation);
    if (!isChanged && isList(token)) await rm(join(path, token), { force: true });
    return isChanged;
  }

  /** Undefined: the lock has no directory. A listing may catch a rename in flight: then once more. */
  async #read(name: string): Promise<State | undefined> {
    if (!(await this.#exists())) return undefined;
    const path = this.#path(name);
    for (let round = 0; round < 1_000; round++) {
      const files = await unlessMissing(readdir(path));
      if (!files) return undefined;
      const states = files.flatMap((file) => parseState(file) ?? []);
      const [last] = states.sort((a, b) => b.generation - a.generation);
      if (last) return last;
      // A sweep that was killed left it empty. If a rename is in flight, it is not, and stays.
      if (files.length === 0) await rmdir(path).catch(() => {});
      // No rename is in flight for that long: somebody died who was about to share it, as it was swept.
      if (round === 998 && files.every(isList)) await removeListsBefore(path, Infinity);
    }
    throw new Error(`${path} holds no state of a lock`);
  }

  /** True: the lock was in `state` until now, and is in `next` from now on. */
  async #swap(name: string, state: State, next: State): Promise<boolean> {
    const path = this.#path(name);
    const renamed = rename(join(path, stateName(state)), join(path, stateName(next)));
    return (await unlessMissing(renamed.then(() => true))) ?? false;
  }

  /**
   * A lock's directory is born complete: made aside, with its state in it, and renamed into place.
   * Undefined: another was faster, or removed what was not in place yet.
   */
  async #create(name: string): Promise<State | undefined> {
    this.#trusted = false;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#exists();
    const aside = join(this.#directory, newAsideName());
    const state = firstState();
    try {
      await mkdir(aside, { mode: 0o700 });
      await writeFile(join(aside, stateName(state)), '', { mode: 0o600 });
      await rename(aside, this.#path(name));
      return state;
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(code)) return undefined;
      throw error;
    }
  }

  /**
   * Whether the directory is there, and no trap: others must not be able to put their files, or a
   * link to elsewhere, in place of ours. Once seen, it is trusted.
   */
  async #exists(): Promise<boolean> {
    if (this.#trusted) return true;
    const found = await unlessMissing(lstat(this.#directory));
    if (!found) return false;
    if (!found.isDirectory()) {
      throw new Error(`${this.#directory} must be a directory, not a link or a file`);
    }
    const user = process.getuid?.() ?? found.uid;
    if (found.uid !== user) {
      throw new Error(`${this.#directory} belongs to user ${found.uid}, not to ours, ${user}`);
    }
    this.#trusted = true;
    return true;
  }

  #path(name: string): string {
    return join(this.#directory, directoryName(name));
  }
}

/** Undefined where the file or directory was not there (any more). */
async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
