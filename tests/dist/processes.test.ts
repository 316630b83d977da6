/** The installed package in processes of its own, without any client installed beside it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Consumer, nodeOf, oldestNode, readManifest, runtimes, specifiersOf } from './consumer.js';

const consumer = await Consumer.create();
after(() => consumer[Symbol.asyncDispose]());
const manifest = await readManifest(consumer.installed);

test('every subpath can be imported and required where no client is installed', async () => {
  for (const specifier of specifiersOf(manifest)) {
    const run = consumer.runConsumer('exported.mjs', { args: [specifier] });
    if (!specifier.endsWith('/opentelemetry')) await run;
    else await assert.rejects(run, /Cannot find package '@opentelemetry\/api'/);
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

for (const [name, find] of Object.entries(runtimes)) {
  test(`a lease is taken and released on ${name}`, async () => {
    const runtime = await find();
    for (const script of ['esm.mjs', 'cjs.cjs', 'both.mjs']) {
      await consumer.runConsumer(script, { runtime });
    }
  });

  test(`a lease that was dropped is no longer renewed on ${name}, which says so`, async () => {
    const printed = await consumer.runConsumer('dropped.mjs', { runtime: await find() });
    assert.equal(printed, 'DLOCK_LEASE_FORGOTTEN');
  });
}

for (const version of [oldestNode, '26']) {
  test(`the conformance suite runs on Node.js ${version}`, async () => {
    const runtime = await nodeOf(version);
    const scripts = ['suite.mjs', 'suite.cjs'];
    const runs = scripts.map((script) =>
      consumer.runConsumer(script, { runtime, timeout: 120_000 }),
    );
    for (const output of await Promise.all(runs)) assert.match(output, /pass [1-9]\d/);
  });
}
