/**
 * Runs a file, of TypeScript or built from it, in a process of its own, with a channel for messages. It
 * is compiled once for all the processes that run it, which therefore start as fast as plain Node.js.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { temporaryDirectory } from './servers/directories.js';

const workers = new Set<ChildProcess>();
process.once('exit', () => {
  for (const worker of workers) worker.kill('SIGKILL');
});
// So the test runner ends a file that takes too long.
process.once('SIGTERM', () => process.exit(143));

export function startWorker(file: URL, ...args: string[]): ChildProcess {
  return forkWorker(file, args);
}

export function forkWorker(file: URL, args: string[], options: ForkOptions = {}): ChildProcess {
  const worker = fork(compile(file), args, { execArgv: [], ...options });
  workers.add(worker);
  worker.once('exit', () => workers.delete(worker));
  return worker;
}

/** Resolves to the exit code, or the signal, of a worker. */
export async function ended(worker: ChildProcess): Promise<number | NodeJS.Signals> {
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, 'exit');
  return worker.exitCode ?? worker.signalCode ?? NaN;
}

const compiled = new Map<string, string>();

/** The path of what plain Node.js runs in its place; it lasts as long as this process. */
export function compile(file: URL): string {
  const source = fileURLToPath(file);
  const path = compiled.get(source) ?? bundle(source);
  compiled.set(source, path);
  return path;
}

function bundle(source: string): string {
  const home = packageOf(source);
  const cache = join(home, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  // From there, packages are found as they are from the source.
  const directory = temporaryDirectory(cache);
  const name = basename(source, extname(source));
  buildSync({
    entryPoints: { [name]: source },
    outdir: directory,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    // What the source imports half-way must not be loaded before.
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.11',
    tsconfig: join(home, 'tsconfig.json'),
  });
  return join(directory, `${name}.mjs`);
}

/** The URL of what `run.js` has built of a module of `tests/support`, which plain Node.js imports. */
export function built(module: string): string {
  const directory =
    process.env.DLOCK_TESTS_BUILT ?? assert.fail('run tests by tests/support/run.js');
  return pathToFileURL(join(directory, 'tests/support', `${module}.mjs`)).href;
}

/** The directory of the package that the source belongs to. */
function packageOf(source: string): string {
  let directory = dirname(source);
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}
