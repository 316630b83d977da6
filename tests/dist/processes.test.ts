/** The installed package in processes of its own, without any client installed beside it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Consumer, nodeOf, readManifest, specifiersOf } from './consumer.js';

const consumer = await Consumer.create();
after(() => consumer[Symbol.asyncDispose]());
const manifest = await readManifest(consumer.installed);

test('every subpath can be imported and required where no client is installed', async () => {
  for (const specifier of specifiersOf(manifest)) {
    await consumer.runConsumer('exported.mjs', { args: [specifier] });
  }
});

test('what is not exported cannot be reached', async () => {
  const files = ['dist/index.js', 'dist/index.cjs', 'dist/redis.js', 'src/index.ts', 'README.md'];
  const guesses = ['index', 'index.js', 'redis.js', 'stores/redis', 'lease', 'options', 'types'];
  const args = [...files, ...guesses].map((path) => `${manifest.name}/${path}`);
  await consumer.runConsumer('closed.mjs', { args });
});

test('the ESM and the CJS copy work together in one process', async () => {
  await consumer.runConsumer('both.mjs');
});

/** The oldest version that package.json's `engines` admits, and the lines that came after it. */
for (const version of ['20.4.0', '22', '24', '26']) {
  test(`a lease is taken and released on Node.js ${version}`, async () => {
    const node = await nodeOf(version);
    for (const script of ['esm.mjs', 'cjs.cjs', 'both.mjs']) {
      await consumer.runConsumer(script, { node });
    }
  });
}

for (const version of ['20.4.0', '26']) {
  test(`the conformance suite runs on Node.js ${version}`, async () => {
    const node = await nodeOf(version);
    const scripts = ['suite.mjs', 'suite.cjs'];
    const runs = scripts.map((script) => consumer.runConsumer(script, { node, timeout: 120_000 }));
    for (const output of await Promise.all(runs)) assert.match(output, /pass [1-9]\d/);
  });
}
