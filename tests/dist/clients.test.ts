/** The installed package beside the real clients, in processes and in the eyes of TypeScript. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Consumer,
  nodeOf,
  oldestNode,
  readManifest,
  repository,
  specifiersOf,
} from './consumer.js';

const { devDependencies } = await readManifest(repository);
const clients = [
  '@valkey/valkey-glide',
  'ioredis',
  'ioredis5',
  'iovalkey',
  'mariadb',
  'memcache-client',
  'mysql2',
  'redis',
  'redis4',
  'redis5',
];
const api = '@opentelemetry/api';
const consumer = await Consumer.create(
  Object.fromEntries(
    ['@types/node', api, ...clients].map((name) => [name, devDependencies[name] ?? '*']),
  ),
);
after(() => consumer[Symbol.asyncDispose]());
const manifest = await readManifest(consumer.installed);

test('importing the package loads no client; of others, the API of OpenTelemetry alone', async () => {
  const foreign = /\/node_modules\/(?!(dlock-js|@opentelemetry\/api)\/)/;
  const ours = await consumer.runConsumer('loaded.mjs', { args: specifiersOf(manifest) });
  const loaded = ours.split('\n');
  assert.deepEqual(
    loaded.filter((url) => foreign.test(url)),
    [],
  );
  for (const { types: _, default: file } of targets()) {
    const path = file.replace('./', '/node_modules/dlock-js/');
    assert.ok(
      loaded.some((url) => url.endsWith(path)),
      `${path} was not seen to be loaded`,
    );
  }
  // The same eyes see a client that is loaded.
  for (const client of ['redis', 'ioredis', 'memcache-client']) {
    const theirs = await consumer.runConsumer('loaded.mjs', { args: [client] });
    assert.ok(theirs.includes(`/node_modules/${client}/`), `${client} was not seen to be loaded`);
  }
});

const files = ['subpaths.mts', 'subpaths.cts', 'copies.ts', 'clients.ts'];

/** @param extension of the declarations that had to be read. */
function assertRead(read: readonly string[], extension: string) {
  for (const { types } of targets().filter(({ types }) => types.endsWith(extension))) {
    const path = types.replace('./', '/node_modules/dlock-js/');
    assert.ok(
      read.some((file) => file.endsWith(path)),
      `${path} was not read`,
    );
  }
}

/**
 * Everything is checked with `skipLibCheck` off: the declarations of all these clients are sound, so
 * no consumer needs it for our sake or theirs. The compiler takes long over them, on one processor.
 */
describe('TypeScript', { concurrency: 2 }, () => {
  before(async () => {
    await consumer.add('dist/consumers/subpaths.ts', 'subpaths.mts');
    await consumer.add('dist/consumers/subpaths.ts', 'subpaths.cts');
    await consumer.add('dist/consumers/copies.ts', 'copies.ts');
    await consumer.add('types/clients.ts', 'clients.ts');
    await consumer.add('dist/consumers/await-using.ts', 'await-using.ts');
  });

  for (const { moduleResolution, module } of [
    { moduleResolution: 'node16', module: 'node16' },
    { moduleResolution: 'nodenext', module: 'nodenext' },
    { moduleResolution: 'bundler', module: 'preserve' },
  ]) {
    test(`TypeScript accepts every subpath and client under ${moduleResolution}`, async () => {
      const read = await consumer.compile(files, { moduleResolution, module });
      assertRead(read, moduleResolution === 'bundler' ? '.d.ts' : 'ts');
    });
  }

  test('and every subpath under node10, which does not read exports', async () => {
    const options = { moduleResolution: 'node10', module: 'commonjs' };
    assertRead(await consumer.compile(['subpaths.cts'], options), '.d.cts');
  });

  test('the declarations need no types of Node.js, where the DOM has AbortSignal', async () => {
    const options = { module: 'nodenext', lib: ['ES2022', 'DOM'], types: [] };
    const read = await consumer.compile(['subpaths.mts'], options);
    assert.ok(!read.some((file) => file.includes('@types/node')));
  });

  for (const { target, version, native } of [
    { target: 'ES2022', version: oldestNode, native: false },
    { target: 'ESNext', version: '24', native: true },
  ]) {
    const how = native ? 'as it is' : `lowered to ${target}`;
    test(`await using works on Node.js ${version}, ${how}`, async () => {
      const outDir = target.toLowerCase();
      const emit = { noEmit: false, outDir, target, lib: [target] };
      await consumer.compile(['await-using.ts'], { module: 'nodenext', ...emit });
      const written = await consumer.read(`${outDir}/await-using.js`);
      assert.equal(/await using lease =/.test(written), native);
      await consumer.run(`${outDir}/await-using.js`, { runtime: await nodeOf(version) });
    });
  }
});

/** The built files that package.json names for a subpath, once for `import` and once for `require`. */
function targets(): { types: string; default: string }[] {
  const modules = Object.values(manifest.exports).filter((target) => typeof target === 'object');
  return modules.flatMap((conditions) => Object.values(conditions)) as never;
}
