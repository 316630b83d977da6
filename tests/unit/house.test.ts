/** The shape of the house, read off the import lines: arrows point down, and there are no circles. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Options } from 'tsup';
import builds from '../../tsup.config.js';

/** From the roof to the ground: a file imports only from files further down. */
const floors = [
  ['index.ts'],
  ['once.ts'],
  ['locked.ts'],
  ['acquire.ts'],
  ['line.ts'],
  ['lease.ts'],
  ['keepalive.ts', 'undo.ts'],
  ['ticket.ts'],
  ['ask.ts', 'holders.ts', 'options.ts'],
  ['registry.ts'],
  ['store.ts', 'token.ts'],
  ['base/arguments.ts', 'base/events.ts'],
  ['base/abort.ts', 'base/clock.ts', 'base/errors.ts'],
  ['base/shown.ts'],
];

const source = fileURLToPath(new URL('../../src/', import.meta.url));
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

interface Import {
  readonly from: string;
  readonly typesOnly: boolean;
}

/** What a file imports of the house; the name of the package stands for its public names. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/^(?:import|export)\b([^;]*?)\bfrom '(\..*?|dlock-js)';/gms)].map(
    ([, names, path = '']) => ({
      from:
        path === 'dlock-js'
          ? 'index.ts'
          : relative(source, join(source, dirname(file), path)).replace(/\.js$/, '.ts'),
      typesOnly: /^\s*type\b/.test(names ?? ''),
    }),
  );
}

const floorOf = (file: string) => floors.findIndex((floor) => floor.includes(file));

test('every file of the core has its floor', () => {
  const core = files.filter((file) => /^(base\/)?[^/]+$/.test(file)).sort();
  assert.deepEqual(floors.flat().sort(), core);
});

test('arrows point downwards only', () => {
  for (const file of floors.flat()) {
    for (const { from } of importsOf(file)) {
      assert.ok(floorOf(from) > floorOf(file), `${file} imports ${from}`);
    }
  }
});

test('a store imports nothing of the core but base/ and the types of its contract', () => {
  for (const file of files.filter((file) => file.startsWith('stores/'))) {
    for (const { from, typesOnly } of importsOf(file)) {
      const allowed = /^(stores|base)\//.test(from) || (from === 'store.ts' && typesOnly);
      assert.ok(allowed, `${file} imports ${from}`);
    }
  }
});

test('the conformance suite knows the core by its public names only, and nobody knows the suite', () => {
  for (const file of files) {
    for (const { from } of importsOf(file)) {
      const isOfSuite = file.startsWith('testing/');
      if (isOfSuite) assert.ok(/^(testing\/|index\.ts$)/.test(from), `${file} imports ${from}`);
      else assert.ok(!from.startsWith('testing/'), `${file} imports ${from}`);
    }
  }
});

test('the reference describes every subpath', () => {
  const [library] = builds as Options[];
  const reference = readFileSync(join(source, '../typedoc.jsonc'), 'utf8');
  const described = [...reference.matchAll(/"(src\/.*\.ts)"/g)].map(([, file]) => file);
  assert.deepEqual(described.sort(), Object.values(library?.entry ?? {}).sort());
});

test('each file opens by saying what it is for, and has no default export', () => {
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8');
    assert.match(text, /^(#!.*\n)?\/\*\*/, file);
    assert.doesNotMatch(text, /^\s*(export default|await using)/m, file);
  }
});
