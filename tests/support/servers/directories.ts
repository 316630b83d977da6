/** Directories of their own, for what keeps something on disk while the tests run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const directories = new Set<string>();
process.once('exit', () => {
  for (const directory of directories) remove(directory);
});

/** Gone with this process at the latest. */
export function temporaryDirectory(parent = tmpdir()): string {
  const directory = mkdtempSync(join(parent, 'dlock-tests-'));
  directories.add(directory);
  return directory;
}

export function remove(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}
