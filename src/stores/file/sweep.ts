/** Removes the locks of a `FileStore` that nobody has held for a day, in the background. */
import type { Dirent } from 'node:fs';
import { lstat, opendir, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { clock, idlePause } from '../../base/clock.js';
import { outsideCallers } from '../../base/context.js';
import { isList, removeLists } from './holders.js';
import { isDirectoryName, parseState, type State, wallTime } from './state.js';

const hour = 3_600_000;
const day = 24 * hour;

/** How many directories are looked at in a row, and how long the sweep then rests, in milliseconds. */
const slice = 64;
const rest = 100;

/** When the next sweep of a directory is due in this process, by the monotonic clock. */
const nextSweeps = new Map<string, number>();

/** Starts a sweep unless this process has started one of that directory within the last hour. */
export function sweepHourly(directory: string): void {
  const now = clock.monotonic();
  if (now < (nextSweeps.get(directory) ?? -Infinity)) return;
  for (const [swept, due] of nextSweeps) if (due <= now) nextSweeps.delete(swept);
  // Processes that were started together soon sweep at different times.
  nextSweeps.set(directory, now + hour * (1 + Math.random() / 4));
  // A sweep that fails has lost nothing, and the next one goes on.
  outsideCallers(() => sweep(directory).catch(() => {}));
}

/**
 * Looks at each lock in the directory once. The sweep keeps no process alive while it rests, and one
 * that is cut short lets the next go on: it starts anywhere, so that processes that live for a
 * moment only do not all look at the same locks.
 */
export async function sweep(directory: string): Promise<void> {
  const names = await listDirectories(directory);
  const start = Math.floor(Math.random() * names.length);
  for (let index = 0; index < names.length; index++) {
    if (index % slice === slice - 1) await idlePause(rest);
    const name = names[(start + index) % names.length] ?? '';
    // What cannot be removed has been taken or removed by another, or is not ours.
    await removeIfUnused(join(directory, name)).catch(() => {});
  }
}

/** Links are not followed: their kind is a link, whatever they lead to. */
async function listDirectories(directory: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of await opendir(directory, { bufferSize: 256 })) {
    if (entry.isDirectory() && isDirectoryName(entry.name)) names.push(entry.name);
  }
  return names;
}

/**
 * Removes a lock's directory in two steps, each of which fails if somebody was faster.
 *
 * 1. To delete the state by its name is a compare-and-delete, as a rename is a compare-and-swap: of
 *    all who read that state, whether they want to take the lock or to sweep it, one alone still
 *    finds it. No state is ever named the same again, so whoever stalled does not find it later.
 * 2. A directory without a state is a lock that nobody holds, and lists of holders in it count no more. It
 *    can be removed, or replaced by a new one, only as long as it is empty; a killed sweep leaves it to
 *    whoever comes next.
 *
 * Of a lock in use, what a crash left of lists is removed: those of earlier states.
 */
async function removeIfUnused(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true });
  const isOurs = (entry: Dirent) => entry.isFile() && isList(entry.name);
  const lists = entries.filter(isOurs).map(({ name }) => name);
  const [file, ...others] = entries.filter((entry) => !isOurs(entry));
  if (others.length > 0) return;
  if (file) {
    const state = file.isFile() ? parseState(file.name) : undefined;
    if (!state) return;
    if (lastUse(state) > wallTime() - day) return removeLists(path, lists, state.generation);
    await unlink(join(path, file.name));
  } else if (!(await isLeftover(path))) {
    return;
  }
  await removeLists(path, lists);
  await rmdir(path);
}

/**
 * When the lock was last in use, in milliseconds since the epoch. The fence counts as a time, too,
 * since it may be ahead of the clock: the next one is the time of its grant, and must be larger.
 */
function lastUse({ end, fence }: State): number {
  return Math.max(end, fence / 1_000);
}

/** Whether an empty directory is what a crash left a day ago, rather than somebody else's. */
async function isLeftover(path: string): Promise<boolean> {
  const { mode, mtimeMs } = await lstat(path);
  return (mode & 0o777) === 0o700 && mtimeMs <= wallTime() - day;
}
