/** The shape of the house, read off the import lines, against the map in CONTRIBUTING.md. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Options } from 'tsup';
import builds from '../../tsup.config.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The lines of the map as paths, from the roof to the ground; those of rooms end with a slash. */
function readMap(): string[] {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const [, map = ''] = /^```\n(src\/\n.*?)^```$/ms.exec(text) ?? [];
  const rooms: string[] = [];
  return [...map.matchAll(/^( *)(\S+)/gm)].map(([, indent = '', name = '']) => {
    rooms.length = indent.length / 2;
    rooms.push(name);
    return rooms.join('');
  });
}

const map = readMap();
/** The files of src that have a line of their own, and the rooms within which imports are free. */
const floors = map
  .filter((path) => /^src\/./.test(path) && path !== 'src/base/')
  .map((path) => path.replace('src/', ''));

const source = join(root, 'src');
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

/** The line of a file, or that of its room. */
const floorOf = (file: string) =>
  floors.findIndex((floor) => file === floor || (floor.endsWith('/') && file.startsWith(floor)));

test('the map has a line for every file of src, or for its room, and all that it names exists', () => {
  for (const file of files) assert.notEqual(floorOf(file), -1, `${file} is not on the map`);
  for (const path of map) assert.ok(existsSync(join(root, path)), `there is no ${path}`);
});

test('a file imports only from lines of the map further down', () => {
  for (const file of files) {
    for (const { from } of importsOf(file).filter(({ from }) => files.includes(from))) {
      const isRoom = floors[floorOf(file)]?.endsWith('/') && floorOf(from) === floorOf(file);
      assert.ok(isRoom || floorOf(from) > floorOf(file), `${file} imports ${from}`);
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
