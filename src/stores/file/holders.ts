/**
 * The holders of a lock. One alone is named in the state itself. A file name is too short for several, so
 * these are listed in a file beside the state, which names that file where the token would be. The list is
 * written before the state is renamed, by which alone it counts; it is never changed, since each change of
 * the holders makes a new one.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from './missing.js';
import { newId, type State, wallTime } from './state.js';

export interface Holder {
  readonly token: string;
  /** When its life ends, in milliseconds since the epoch. */
  readonly end: number;
}

/** No token looks like that. The generation of its state tells when a list is out of date. */
const listName = /^@(\d+)-[\w-]+$/;

export function isList(file: string): boolean {
  return listName.test(file);
}

/** Those whose life has not ended; undefined: the list is gone, and so is the state that named it. */
export async function livingHolders(
  path: string,
  { token, end }: State,
): Promise<Holder[] | undefined> {
  const now = wallTime();
  if (!token || end <= now) return [];
  if (!isList(token)) return [{ token, end }];
  const list = await unlessMissing(readFile(join(path, token), 'utf8'));
  if (list === undefined) return undefined;
  return (JSON.parse(list) as Holder[]).filter((holder) => holder.end > now);
}

/**
 * Writes the list for the state of that generation, if it comes to that.
 *
 * @returns its name, which is to stand in place of a token. Undefined: the lock has no directory any more.
 */
export async function writeList(
  path: string,
  generation: number,
  holders: readonly Holder[],
): Promise<string | undefined> {
  const name = `@${generation}-${newId()}`;
  const written = writeFile(join(path, name), JSON.stringify(holders), { mode: 0o600 });
  return unlessMissing(written.then(() => name));
}

/**
 * Removes those of these files that are lists of states before that generation. What cannot be removed now is
 * left to the sweep.
 */
export async function removeLists(
  path: string,
  files: readonly string[],
  before = Infinity,
): Promise<void> {
  const old = files.filter((file) => Number(listName.exec(file)?.[1] ?? Infinity) < before);
  await Promise.allSettled(old.map((file) => rm(join(path, file), { force: true })));
}
