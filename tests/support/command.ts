/** The command as the tests run it: built from its sources, with real stores, in real processes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { execa, type Options, type Result } from 'execa';
import { eventually } from '../../src/testing/fixture.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));
/** A directory that is deleted in the end. */
export let home: string;
/** The path of the command. */
export let cli: string;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'dlock-cli-'));
  await writeFile(join(home, 'package.json'), '{"type":"module"}');
  await symlink(join(root, 'node_modules'), join(home, 'node_modules'));
  // Where `run.js` keeps what it has built, one command does for all the files of a run.
  const shared = join(process.env.DLOCK_TESTS_BUILT ?? home, 'command');
  cli = join(shared, 'cli.js');
  if (existsSync(shared)) return;
  const built = join(home, 'built');
  await buildCommand(built);
  await rename(built, shared).catch((error) => {
    // Another file was faster.
    if (!existsSync(shared)) throw error;
  });
});

const common = { bundle: true, platform: 'node', format: 'esm', target: 'node20.11' } as const;

/** Clients that are small enough as they are. */
const databases = ['pg', 'mysql2'];

async function buildCommand(folder: string): Promise<void> {
  const clients = ['redis', 'memcache-client'];
  await build({
    ...common,
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: join(folder, 'cli.js'),
    external: [...clients, ...databases],
  });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await Promise.all(clients.map((client) => bundleClient(client, folder)));
}

/** A client of hundreds of files would take most of the time of a short command: here it is one. */
async function bundleClient(name: string, command: string): Promise<void> {
  const folder = join(command, 'node_modules', name);
  const names = Object.keys(await import(name)).filter((each) => /^[a-z]\w*$/i.test(each));
  const exported = names.filter((each) => each !== 'default').join();
  await build({
    ...common,
    stdin: { contents: `export { ${exported} } from '${name}'`, resolveDir: root },
    outfile: join(folder, 'index.js'),
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  const manifest = { name, type: 'module', exports: './index.js' };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
}

after(() => rm(home, { recursive: true, force: true }));

let counter = 0;
/** A path of its own for each that asks. */
export const fresh = (what: string) => join(home, `${what}-${++counter}`);
export const fileStore = () => pathToFileURL(fresh('store')).href;

export interface How {
  store?: string | undefined;
  env?: NodeJS.ProcessEnv;
  stdio?: Options['stdio'];
}

/** Starts dlock; its outcome is not an error, whatever it is. */
export function dlock(args: string[], { store = fileStore(), env = {}, stdio = 'pipe' }: How = {}) {
  return execa(process.execPath, [cli, ...args], {
    env: { DLOCK_STORE: store, ...env },
    reject: false,
    stripFinalNewline: false,
    stdio,
  });
}

/** Starts dlock with a command that tells when it runs, and resolves then. */
export async function running(options: string[], script: string, how: How = {}) {
  const ready = fresh('ready');
  const started = dlock([...options, '--', 'sh', '-c', `echo $$ > ${ready}; ${script}`], how);
  await eventually('the command runs', async () => (await lines(ready)).length > 0, 60_000);
  return { started, command: Number((await lines(ready))[0]) };
}

export async function lines(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').slice(0, -1);
}

export const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Every line is dlock's, and names the lock where it has one. */
export function assertLine(outcome: Pick<Result, 'stderr'>, pattern: RegExp): void {
  const text = String(outcome.stderr);
  assert.match(text, /^dlock: [^\n]*\n$/);
  assert.match(text, pattern);
}
