/** What the house says of itself, against what is there; that its rooms are kept, `npm run lint` sees. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as testing from '../../src/testing/index.js';
import subpaths from '../../subpaths.json' with { type: 'json' };

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

const source = join(root, 'src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

test('all that the map names exists', () => {
  assert.ok(map.includes('src/base/'));
  for (const path of map) assert.ok(existsSync(join(root, path)), `there is no ${path}`);
});

test('package.json, tsconfig.json and the README have the subpaths of the list', () => {
  const listed = Object.keys(subpaths);
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.deepEqual(
    exports,
    Object.fromEntries([
      ...listed.map((subpath) => [subpath, conditionsOf(subpath.slice(2) || 'index')]),
      ['./package.json', './package.json'],
    ]),
  );
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'));
  const paths = Object.entries(subpaths).map(([subpath, path]) => [
    subpath.replace('.', 'dlock-js'),
    [`./${path}`],
  ]);
  assert.deepEqual(compilerOptions.paths, Object.fromEntries(paths));
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  for (const subpath of listed.slice(1)) {
    assert.ok(
      readme.includes(`\`${subpath.replace('.', 'dlock-js')}\``),
      `${subpath} in the README`,
    );
  }
});

test('the conformance suite publishes its one function, and nothing that its cases share', () => {
  assert.deepEqual(Object.keys(testing), ['testStore']);
});

function conditionsOf(file: string) {
  return {
    import: { types: `./dist/${file}.d.ts`, default: `./dist/${file}.js` },
    require: { types: `./dist/${file}.d.cts`, default: `./dist/${file}.cjs` },
  };
}

test('each file opens by saying what it is for, and has no default export', () => {
  for (const file of files) {
    const text = readFileSync(join(source, file), 'utf8');
    assert.match(text, /^(#!.*\n)?\/\*\*/, file);
    assert.doesNotMatch(text, /^\s*(export default|await using)/m, file);
  }
});
