/** What the tarball holds: what it exports, what it leaves out, what it depends on, how big it is. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { execa } from 'execa';
import { Consumer, readManifest, repository, specifiersOf } from './consumer.js';

/**
 * What `tryAcquire` with one store, and the whole core with one, may take minified and gzipped. The aim
 * is 7 000 and 9 000. The queue costs 1 700 of it where nobody waits, nearly all for its scripts, and a
 * thousand more where somebody may; shared locks 1 000, for their scripts too. Several names and leading are
 * another 1 100 for those who use them, and a run that is recorded in a transaction 700. The clients of further
 * engines, told apart by their shape, are 450. What the events tell of waits and holds is 250, and `subscribe` 140. That
 * each built file has base/ for itself costs some 130.
 */
const maxBytes = { part: 12_400, whole: 17_900 };

const consumer = await Consumer.create();
after(() => consumer[Symbol.asyncDispose]());
const manifest = await readManifest(consumer.installed);
const dist = join(consumer.installed, 'dist');
const built = await readdir(dist);
/** What is run, not imported; its own part of dist. */
const command = 'cli/main.js';

/** The built modules, by the name of their entry: `index`, `redis`, ... */
const entries = specifiersOf(manifest).map((specifier) =>
  specifier === manifest.name ? 'index' : basename(specifier),
);

test('the tarball holds dist, the documents and the examples that they show, and nothing else', () => {
  const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'];
  const folders = /^(dist\/(cli\/)?[^/]+|docs\/[^/]+\.(md|svg)|examples\/([^/]+\.ts|README\.md))$/;
  const others = consumer.packed.filter((path) => !folders.test(path));
  assert.deepEqual(others.sort(), documents);
});

test('every link of a packed page leads to what is packed, or to the sources and their measures', async () => {
  const unpacked = /^(src|tests|bench)\/|^CONTRIBUTING\.md$/;
  const pages = consumer.packed.filter((path) => path.endsWith('.md'));
  for (const page of pages) {
    const text = await readFile(join(consumer.installed, page), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const path = join(dirname(page), target);
      const isPacked = existsSync(join(consumer.installed, path));
      assert.ok(isPacked || unpacked.test(path), `${page} links to ${target}`);
    }
  }
});

test('each library module has a source map that holds its sources', async () => {
  for (const entry of entries) {
    for (const file of [`${entry}.js`, `${entry}.cjs`]) {
      const { sources, sourcesContent } = JSON.parse(
        await readFile(join(dist, `${file}.map`), 'utf8'),
      );
      const read = (source: string) => readFile(join(repository, 'dist', source), 'utf8');
      assert.ok(sources.length > 0, file);
      assert.deepEqual(sourcesContent, await Promise.all(sources.map(read)), file);
    }
  }
});

test('the ranges of the peers name the major versions that are tested, and no others', () => {
  const majorOf = (range: string) => /\^(\d+)/.exec(range)?.[1];
  for (const [peer, range] of Object.entries(manifest.peerDependencies)) {
    const tested = Object.entries(manifest.devDependencies)
      .filter(([name]) => [name, name.replace(/\d+$/, '')].includes(peer))
      .map(([, version]) => majorOf(version));
    assert.deepEqual(range.split(' || ').map(majorOf), tested.sort(), peer);
  }
});

test('every subpath is spelled for import and require, each with its own types first', () => {
  for (const entry of entries) {
    const subpath = entry === 'index' ? '.' : `./${entry}`;
    const spelled = JSON.stringify(manifest.exports[subpath]);
    const wanted = {
      import: { types: `./dist/${entry}.d.ts`, default: `./dist/${entry}.js` },
      require: { types: `./dist/${entry}.d.cts`, default: `./dist/${entry}.cjs` },
    };
    assert.equal(spelled, JSON.stringify(wanted), `exports of ${subpath}`);
  }
});

test('TypeScript finds the types of every subpath also where it does not read exports', () => {
  const subpaths = entries.filter((entry) => entry !== 'index');
  const types = subpaths.map((entry) => [entry, [`./dist/${entry}.d.cts`]]);
  assert.deepEqual(manifest.typesVersions, { '*': Object.fromEntries(types) });
});

test('every module that was built is exported, and every export was built', () => {
  for (const extension of ['.js', '.cjs']) {
    const modules = built.filter((file) => file.endsWith(extension));
    assert.deepEqual(modules.sort(), entries.map((entry) => entry + extension).sort());
  }
});

test('every declaration that was built is exported, or is part of one that is', async () => {
  for (const [extension, imported] of [
    ['.d.ts', '.js'],
    ['.d.cts', '.cjs'],
  ] as const) {
    const declarations = built.filter((file) => file.endsWith(extension));
    const texts = await Promise.all(declarations.map((file) => readFile(join(dist, file), 'utf8')));
    const stray = declarations.filter((file) => {
      const name = basename(file, extension);
      return (
        !entries.includes(name) && !texts.some((text) => text.includes(`./${name}${imported}`))
      );
    });
    assert.deepEqual(stray, []);
    for (const entry of entries) assert.ok(declarations.includes(entry + extension), entry);
  }
});

test('nothing is installed beside it', async () => {
  assert.deepEqual(manifest.dependencies ?? {}, {});
  assert.deepEqual(manifest.optionalDependencies ?? {}, {});
  assert.deepEqual(manifest.bundleDependencies ?? [], []);
  const peers = Object.keys(manifest.peerDependencies);
  for (const peer of peers) assert.equal(manifest.peerDependenciesMeta[peer]?.optional, true, peer);
  const installed = await readdir(join(consumer.folder, 'node_modules'));
  const packages = installed.filter((name) => !name.startsWith('.'));
  assert.deepEqual(packages, [manifest.name]);
});

/** They use the core that their user has, and of a copy of their own know nothing. */
const guests: Readonly<Record<string, readonly string[]>> = {
  testing: [manifest.name],
  opentelemetry: ['@opentelemetry/api', manifest.name],
};

test('no module imports anything but builtin modules of Node.js; guests, the core', async () => {
  for (const entry of entries) {
    for (const file of [`${entry}.js`, `${entry}.cjs`]) {
      const imports = new Set(await importsOf(join(dist, file)));
      const others = [...imports].filter((path) => !(path.startsWith('node:') && isBuiltin(path)));
      assert.deepEqual(others.sort(), guests[entry] ?? [], file);
    }
  }
});

test('the command holds all that it needs but the clients, and runs without them', async () => {
  const imports = (await importsOf(join(dist, command))).filter((path) => !isBuiltin(path));
  assert.deepEqual([...new Set(imports)].sort(), [
    'memcache-client',
    'mysql2/promise',
    'pg',
    'redis',
  ]);
  const { stdout } = await execa(join(consumer.folder, 'node_modules/.bin/dlock'), ['--version']);
  assert.equal(stdout, manifest.version);
});

test('npx runs the command by the name of the package, since `npx dlock` is another package', async () => {
  const options = { cwd: consumer.folder, env: { npm_config_offline: 'true' } };
  for (const words of [[manifest.name], ['-p', manifest.name, 'dlock']]) {
    const { stdout } = await execa('npx', [...words, '--version'], options);
    assert.equal(stdout, manifest.version);
  }
});

test('neither a store nor a guest holds a copy of the core', async () => {
  for (const entry of entries.filter((entry) => entry !== 'index')) {
    const own = entry in guests ? new RegExp(`^src/${entry}/`) : /^src\/(stores|base)\//;
    for (const file of [`${entry}.js`, `${entry}.cjs`]) {
      const sources = await sourcesOf(join(dist, file));
      const foreign = sources.filter((source) => !own.test(source));
      assert.ok(sources.length > 0, `${file} does not tell what it was made of`);
      assert.deepEqual(foreign, [], `${file} holds files of the core`);
    }
  }
});

test('the core and one store are small', async (t) => {
  const part = await bundle(
    `export { tryAcquire } from 'dlock-js'; export { RedisStore } from 'dlock-js/redis';`,
  );
  const whole = await bundle(`export * from 'dlock-js'; export * from 'dlock-js/redis';`);
  t.diagnostic(`tryAcquire and RedisStore: ${part} bytes, minified and gzipped`);
  t.diagnostic(`all of the core and RedisStore: ${whole} bytes`);
  assert.ok(part <= maxBytes.part, `${part} bytes are more than ${maxBytes.part}`);
  assert.ok(whole <= maxBytes.whole, `${whole} bytes are more than ${maxBytes.whole}`);
});

test('docs/choosing.md tells how big each subpath is', async () => {
  const page = await readFile(join(consumer.installed, 'docs/choosing.md'), 'utf8');
  for (const entry of entries) {
    const specifier = entry === 'index' ? manifest.name : `${manifest.name}/${entry}`;
    const code = `export * from './node_modules/dlock-js/dist/${entry}.js';`;
    const size = (await bundle(code, guests[entry] as string[] | undefined)) / 1_000;
    const told = new RegExp(`^\\| \`${specifier}\` .*\\| ([\\d.]+) \\|$`, 'm').exec(page)?.[1];
    const difference = Math.abs(size - Number(told));
    assert.ok(difference <= 0.1, `${specifier} is ${size.toFixed(1)} kB, not ${told}`);
  }
});

/** What a module imports at run time, by `import` or `require`, as esbuild reads it. */
async function importsOf(file: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [file],
    bundle: true,
    packages: 'external',
    platform: 'node',
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return Object.values(metafile.inputs).flatMap(({ imports }) => imports.map(({ path }) => path));
}

/** The source files that went into a built module, which the bundler names in comments. */
async function sourcesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  return [...text.matchAll(/^\/\/ (src\/\S+)$/gm)].flatMap(([, source]) => source ?? []);
}

/** The size of what `code` takes from the installed package, bundled for Node.js. */
async function bundle(code: string, external: string[] = []): Promise<number> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: consumer.folder },
    bundle: true,
    external,
    minify: true,
    platform: 'node',
    target: 'node20.11',
    format: 'esm',
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? '').length;
}
