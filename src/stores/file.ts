/**
 * Locks in a directory, for the processes of one machine: the embedded default.
 *
 * @module dlock-js/file
 */
import { createHash, randomUUID } from 'node:crypto';
import { watch } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Attempt, LockStore } from '../store.js';
import { readOptions, type StoreOptions } from './options.js';
import { checkRequest } from './requests.js';

/** The times of a {@link FileStore}. */
export interface FileStoreOptions extends StoreOptions {}

/** What the one file of a lock's directory is named: the whole state of the lock. */
interface State {
  /** Counts the transitions, so that no name ever comes back. */
  readonly generation: number;
  /** The generation in which the holder took the lock. */
  readonly fence: number;
  /** When the holder's life ends, in milliseconds since the epoch. */
  readonly end: number;
  /** Empty: the lock is free. */
  readonly token: string;
}

/**
 * Excludes among the processes of one machine that use the same directory.
 *
 * A lock is a directory with exactly one empty file, whose name is the lock's state. To change the
 * state is to rename that file: of all who read the same state, one alone still finds it, however
 * long the others stalled in between. So each transition is a compare-and-swap, a crash leaves
 * either the old state or the new, and there is nothing to repair. The directory of a lock stays
 * when the lock is free: it remembers the fence.
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
    checkRequest('acquire', token, ttl);
    if (!/^[\w-]+$/.test(token)) throw new TypeError(`A token must be a plain word, not ${token}`);
    for (;;) {
      const state = await this.#read(name);
      const now = Date.now();
      if (state?.token === token && state.end > now) return { granted: true, fence: state.fence };
      if (state?.token && state.end > now) return { granted: false, retryAfter: state.end - now };
      const generation = (state?.generation ?? 0) + 1;
      const next = { generation, fence: generation, end: now + ttl, token };
      const taken = state ? await this.#swap(name, state, next) : await this.#create(name, next);
      if (taken) return { granted: true, fence: next.fence };
    }
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkRequest('extend', token, ttl);
    return this.#change(name, token, (now) => ({ end: now + ttl }));
  }

  async release(name: string, token: string): Promise<boolean> {
    checkRequest('release', token, 0);
    return this.#change(name, token, (now) => ({ end: now, token: '' }));
  }

  /** The system tells of changes in the directory of the lock: of renewals too, and not everywhere. */
  async watch(name: string, wake: () => void): Promise<AsyncDisposable> {
    const watcher = watch(this.#path(name), { persistent: false }, wake);
    watcher.on('error', () => watcher.close());
    return { [Symbol.asyncDispose]: async () => watcher.close() };
  }

  /** Moves the lock on to its next state, if `token` holds it. */
  async #change(
    name: string,
    token: string,
    change: (now: number) => Partial<State>,
  ): Promise<boolean> {
    for (;;) {
      const state = await this.#read(name);
      const now = Date.now();
      if (state?.token !== token || state.end <= now) return false;
      const next = { ...state, ...change(now), generation: state.generation + 1 };
      if (await this.#swap(name, state, next)) return true;
    }
  }

  /** Undefined: nobody ever took this lock. A listing may catch a rename in flight: then once more. */
  async #read(name: string): Promise<State | undefined> {
    if (!(await this.#exists())) return undefined;
    for (let round = 0; round < 1_000; round++) {
      const files = await unlessMissing(readdir(this.#path(name)));
      if (!files) return undefined;
      const states = files.flatMap(parseState).sort((a, b) => b.generation - a.generation);
      if (states[0]) return states[0];
    }
    throw new Error(`${this.#path(name)} holds no state of a lock`);
  }

  /** True: the lock was in `state` until now, and is in `next` from now on. */
  async #swap(name: string, state: State, next: State): Promise<boolean> {
    const path = this.#path(name);
    const renamed = rename(join(path, fileName(state)), join(path, fileName(next)));
    return (await unlessMissing(renamed.then(() => true))) ?? false;
  }

  /** A lock's directory is born complete: made aside, with its state in it, and renamed into place. */
  async #create(name: string, state: State): Promise<boolean> {
    this.#trusted = false;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#exists();
    const aside = join(this.#directory, `.${randomUUID()}`);
    await mkdir(aside, { mode: 0o700 });
    try {
      await writeFile(join(aside, fileName(state)), '', { mode: 0o600 });
      await rename(aside, this.#path(name));
      return true;
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
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

  /** A short plain name stands for itself, any other for its hash: file systems differ in what they take. */
  #path(name: string): string {
    const plain = /^[a-z0-9_-][a-z0-9_.@-]{0,99}$/.test(name);
    const hash = () => `sha256=${createHash('sha256').update(name).digest('hex')}`;
    return join(this.#directory, plain ? name : hash());
  }
}

function fileName({ generation, fence, end, token }: State): string {
  return `${generation},${fence},${end},${token}`;
}

/**
 * None, unless the file is named exactly as we would name it: with a leading zero, or a number too
 * large to be exact, it could be read, but never be found again to be renamed.
 */
function parseState(file: string): State[] {
  const match = /^(\d+),(\d+),(\d+),([^,]*)$/.exec(file);
  if (!match) return [];
  const [generation, fence, end] = match.slice(1, 4).map(Number) as [number, number, number];
  const state = { generation, fence, end, token: match[4] ?? '' };
  const isExact = [generation, fence, end].every(Number.isSafeInteger) && fileName(state) === file;
  return isExact ? [state] : [];
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
