/**
 * How a lock of a `FileStore` is written down: what its directory is named, and what the one empty
 * file in it is named, which is the whole state of the lock.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { clock } from '../../base/clock.js';

export interface State {
  /** Counts the transitions of a directory, from a random start: no state is ever named the same again. */
  readonly generation: number;
  /** The fence of the last grant; 0: there was none since the directory was made. */
  readonly fence: number;
  /**
   * When the holder's life ends, of several that of the last, or when the lock became free, in milliseconds
   * since the epoch.
   */
  readonly end: number;
  /** Empty: the lock is free. Where several hold it, the name of their list. */
  readonly token: string;
}

/** The time that all processes of the machine share, in whole milliseconds since the epoch. */
export function wallTime(): number {
  return Math.floor(clock.wall());
}

/**
 * The state of a new directory: free, so that whoever makes one may stall for however long before
 * it is put in place. The start is random and not kept in any cache of random numbers, which two
 * processes from one startup snapshot would share.
 */
export function firstState(): State {
  return { generation: randomBytes(6).readUIntBE(0, 6), fence: 0, end: wallTime(), token: '' };
}

export function stateName({ generation, fence, end, token }: State): string {
  return `${generation},${fence},${end},${token}`;
}

/**
 * Undefined, unless the file is named exactly as we would name it: with a leading zero, or a number
 * too large to be exact, it could be read, but never be found again to be renamed.
 */
export function parseState(file: string): State | undefined {
  const match = /^(\d+),(\d+),(\d+),([^,]*)$/.exec(file);
  if (!match) return undefined;
  const [generation, fence, end] = match.slice(1, 4).map(Number) as [number, number, number];
  const state = { generation, fence, end, token: match[4] ?? '' };
  const isExact = [generation, fence, end].every(Number.isSafeInteger) && stateName(state) === file;
  return isExact ? state : undefined;
}

/**
 * A short plain name stands for itself, any other for its hash: file systems differ in what they
 * accept. Neither begins with a dot.
 */
export function directoryName(lock: string): string {
  if (plainName.test(lock)) return lock;
  return `sha256=${createHash('sha256').update(lock).digest('hex')}`;
}

/** Where a lock's directory is prepared before it is put in place. */
export function newAsideName(): string {
  return `.${newId()}`;
}

export function newId(): string {
  return randomUUID({ disableEntropyCache: true });
}

/** Whether a directory of that name can be ours: a lock's, or one still being prepared. */
export function isDirectoryName(name: string): boolean {
  return plainName.test(name) || hashName.test(name) || asideName.test(name);
}

const plainName = /^[a-z0-9_-][a-z0-9_.@-]{0,99}$/;
const hashName = /^sha256=[0-9a-f]{64}$/;
const asideName = /^\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
