/** Two servers of the tests: stores that know of each other only by what they share, as two processes would. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { FileStore } from '../../src/stores/file/file.js';

const root = await mkdtemp(join(tmpdir(), 'dlock-examples-'));
after(() => rm(root, { recursive: true, maxRetries: 10 }));
let directories = 0;

/** A directory of the test's own, which is not there yet; it is gone after the tests. */
export function ownDirectory(): string {
  return join(root, String(directories++));
}

/** Two stores on one directory of the test's own. */
export function twoStores(): [FileStore, FileStore] {
  const directory = ownDirectory();
  return [new FileStore(directory), new FileStore(directory)];
}
