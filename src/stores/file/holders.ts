/**
 * The holders of a lock. One alone is named in the state itself. A file name is too short for several, so
 * these are listed in a file beside the state, which names that file where the token would be. The list is
 * written before the state is renamed, by which alone it counts; it is never changed, since each change of
 * the holders makes a new one.
 */
import { readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  if (!token || end <= wallTime()) return [];
  if (!isList(token)) return [{ token, end }];
  try {
    const holders: Holder[] = JSON.parse(await readFile(join(path, token), 'utf8'));
    return holders.filter((holder) => holder.end > wallTime());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes the list for the state of that generation, if it comes to that.
 *
 * @returns its name, which is to stand in place of a token.
 */
export async function writeList(
  path: string,
  generation: number,
  holders: readonly Holder[],
): Promise<string> {
  const name = `@${generation}-${newId()}`;
  await writeFile(join(path, name), JSON.stringify(holders), { mode: 0o600 });
  return name;
}

/** Removes the lists of the states before that generation, and those that were not taken in their place. */
export async function removeListsBefore(path: string, generation: number): Promise<void> {
  const files = await readdir(path).catch(() => []);
  const old = files.filter((file) => Number(listName.exec(file)?.[1] ?? Infinity) < generation);
  await Promise.all(old.map((file) => unlink(join(path, file)).catch(() => {})));
}
