/** The states of the locks in a directory: how they are read, and changed by compare-and-swap. */
import { lstat, mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isList, removeLists } from './holders.js';
import { unlessMissing } from './missing.js';
import {
  directoryName,
  firstState,
  newAsideName,
  parseState,
  type State,
  stateName,
} from './state.js';

/** How often a directory is listed before a rename that hides its state cannot be in flight any more. */
const patience = 500;

export class States {
  readonly #directory: string;
  #trusted = false;

  constructor(directory: string) {
    this.#directory = resolve(directory);
  }

  get directory(): string {
    return this.#directory;
  }

  /** Where a lock lies. */
  pathOf(name: string): string {
    return join(this.#directory, directoryName(name));
  }

  /** Undefined: the lock has no directory. A listing may catch a rename in flight: then once more. */
  async read(name: string): Promise<State | undefined> {
    if (!(await this.#exists())) return undefined;
    const path = this.pathOf(name);
    for (let round = 0; round < 2 * patience; round++) {
      const files = await unlessMissing(readdir(path));
      if (!files) return undefined;
      const states = files.flatMap((file) => parseState(file) ?? []);
      const [last] = states.sort((a, b) => b.generation - a.generation);
      if (last) return last;
      // A sweep that was killed left it without a state. If a rename is in flight, it is not, and stays.
      const isLeft = files.length === 0 || (round >= patience && files.every(isList));
      if (isLeft) await removeLists(path, files).then(() => rmdir(path).catch(() => {}));
    }
    throw new Error(`${path} holds no state of a lock`);
  }

  /** True: the lock was in `state` until now, and is in `next` from now on. */
  async swap(name: string, state: State, next: State): Promise<boolean> {
    const path = this.pathOf(name);
    const renamed = rename(join(path, stateName(state)), join(path, stateName(next)));
    return (await unlessMissing(renamed.then(() => true))) ?? false;
  }

  /**
   * A lock's directory is born complete: made aside, with its state in it, and renamed into place.
   * Undefined: another was faster, or removed what was not in place yet.
   */
  async create(name: string): Promise<State | undefined> {
    this.#trusted = false;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await this.#exists();
    const aside = join(this.#directory, newAsideName());
    const state = firstState();
    try {
      await mkdir(aside, { mode: 0o700 });
      await writeFile(join(aside, stateName(state)), '', { mode: 0o600 });
      await rename(aside, this.pathOf(name));
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
}
