/** Every example in TypeScript of the README and the docs is compiled, and run on real servers. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { sharedMemcached, sharedRedis, startRedis } from '../servers.js';

const root = new URL('../../', import.meta.url);
const directory = new URL('.tmp/docs/', root);
await mkdir(directory, { recursive: true });
after(() => rm(directory, { recursive: true }));

/** What examples take for granted. */
const prelude = `
import '../../tests/examples.js';
`;

interface Example {
  readonly title: string;
  readonly file: URL;
}

/** Writes each block to a file of its own: imports first, the rest in a function, since it may return. */
async function writeExamples(page: string): Promise<Example[]> {
  const text = await readFile(new URL(page, root), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)];
  return Promise.all(
    blocks.map(async ({ 1: code = '', index }) => {
      const title = `${page}:${text.slice(0, index).split('\n').length}`;
      const imports = code.match(/^import .*;$/gm) ?? [];
      const body = code.replace(/^import .*;$/gm, '');
      const file = new URL(`${title.replace(/\W+/g, '-')}.ts`, directory);
      const source = [
        prelude,
        ...imports,
        'async function example() {',
        body,
        '}',
        'await example();',
        'process.exit();',
      ];
      await writeFile(file, source.join('\n'));
      return { title, file };
    }),
  );
}

const docs = await readdir(new URL('docs/', root)).catch(() => []);
const pages = [
  'README.md',
  ...docs.filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`),
];
const examples = (await Promise.all(pages.map(writeExamples))).flat();

test('what is shown of a file is the whole of it', async () => {
  let shown = 0;
  for (const page of pages) {
    const text = await readFile(new URL(page, root), 'utf8');
    for (const [, file = '', code] of text.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)) {
      assert.equal(code, await readFile(new URL(file, root), 'utf8'), `${file} in ${page}`);
      shown += 1;
    }
  }
  assert.ok(shown > 0);
});

test('the examples compile', async () => {
  assert.ok(examples.length >= 6);
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false, allowUnreachableCode: true },
    include: ['*.ts'],
  };
  const project = new URL('tsconfig.json', directory);
  await writeFile(project, JSON.stringify(config));
  const compiler = await execa('npx', ['tsc', '-p', fileURLToPath(project)], {
    cwd: root,
    reject: false,
  });
  assert.equal(compiler.stdout, '');
  assert.equal(compiler.exitCode, 0);
});

/** Those at the usual port, and at the two ports after it. */
const redises = [await sharedRedis(), (await startRedis()).url, (await startRedis()).url];

for (const { title, file } of examples) {
  test(`${title} runs`, { timeout: 60_000 }, async () => {
    const env = {
      DLOCK_EXAMPLES_REDIS: redises.join(),
      DLOCK_EXAMPLES_MEMCACHED: await sharedMemcached(),
    };
    const run = await execa('npx', ['tsx', fileURLToPath(file)], { cwd: root, env, reject: false });
    assert.equal(run.exitCode, 0, run.stderr);
  });
}
