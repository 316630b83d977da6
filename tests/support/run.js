/**
 * Runs test files, which it first builds once for all: plain Node.js starts much faster than one that
 * compiles. Arguments are those of `node --test`, the files in TypeScript. In JavaScript, since it runs
 * before anything is compiled.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const args = process.argv.slice(2);
const isTest = (arg) => arg.endsWith('.test.ts');
/**
 * In the alphabet, files of one subject stand side by side, and would all load the same servers at once; and those
 * that only compute would all run at the end.
 */
const spread = (files) =>
  [0, 1, 2, 3].flatMap((offset) => files.filter((_, index) => index % 4 === offset));
const tests = spread(args.filter(isTest));
const withoutType = (file) => file.replace(/\.ts$/, '');
/** Node.js runs files in the order of their paths, so that of a built file begins with its rank. */
const builtAs = new Map(
  tests.map((file, index) => [file, `${1_000 + index}/${withoutType(file)}`]),
);
/** What processes import that tests start: see `built` in workers.ts. */
const imported = ['tests/support/servers.ts', 'tests/support/servers/postgres.ts'];

const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
// From there, packages are found as they are from the sources.
const built = mkdtempSync(join(cache, 'dlock-tests-'));
process.once('exit', () => rmSync(built, { recursive: true, force: true }));

/** What is built finds its files beside its source: there its `import.meta.url` leads. */
const besideSource = {
  name: 'beside-source',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/, namespace: 'file' }, ({ path }) => {
      const url = JSON.stringify(pathToFileURL(path).href);
      return { contents: `const sourceUrl = ${url}; ${readFileSync(path, 'utf8')}`, loader: 'ts' };
    });
  },
};

await build({
  absWorkingDir: root,
  entryPoints: [
    ...tests.map((file) => ({ in: file, out: builtAs.get(file) })),
    ...imported.map((file) => ({ in: file, out: withoutType(file) })),
  ],
  outdir: built,
  outbase: root,
  bundle: true,
  packages: 'external',
  // So a module is one, whoever imports it; and what is imported half-way is not loaded before.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.11',
  sourcemap: true,
  outExtension: { '.js': '.mjs' },
  define: { 'import.meta.url': 'sourceUrl' },
  plugins: [besideSource],
});

/** Of files that are built together, Node.js cannot tell which lines of their sources have run. */
const isMeasured = args.includes('--experimental-test-coverage');
const run = spawn(
  process.execPath,
  [
    '--enable-source-maps',
    ...(isMeasured ? ['--import', 'tsx'] : []),
    '--test',
    ...args.filter((arg) => !isTest(arg)),
    ...(isMeasured ? tests : tests.map((file) => join(built, `${builtAs.get(file)}.mjs`))),
  ],
  { stdio: 'inherit', env: { ...process.env, DLOCK_TESTS_BUILT: built } },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => run.kill(signal));
run.once('exit', (code) => process.exit(code ?? 1));
