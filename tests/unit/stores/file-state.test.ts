/** How the locks of a FileStore are named on disk. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import fc from 'fast-check';
import {
  directoryName,
  firstState,
  isDirectoryName,
  newAsideName,
  parseState,
  stateName,
} from '../../../src/stores/file/state.js';

const awkward = fc.constantFrom(
  '.',
  '..',
  '...',
  '',
  '-',
  '/',
  '../..',
  newAsideName(),
  `sha256=${'0'.repeat(64)}`,
  `sha256=${'0'.repeat(63)}`,
  '\0import',
  'Import',
  'a'.repeat(101),
  'a\n',
);
const lockName = fc.oneof(
  awkward,
  fc.string({ unit: 'binary' }),
  fc.stringMatching(/^[a-z@.=-]+$/),
);

test('file state: no lock has a directory that is another, its parent, or one being prepared', () => {
  const property = fc.property(lockName, lockName, (one, other) => {
    const directory = directoryName(one);
    assert.match(directory, /^[a-z0-9_-][a-z0-9_.@=-]{0,99}$/);
    assert.ok(isDirectoryName(directory));
    assert.equal(directory === directoryName(other), one === other);
  });
  fc.assert(property, { numRuns: 2_000 });
});

test('file state: what a lock has no directory for, a sweep leaves alone', () => {
  const others = [
    '.',
    '..',
    '.git',
    '.DS_Store',
    'Import',
    'a b',
    'sha256=0',
    `.${'0'.repeat(36)}`,
  ];
  assert.deepEqual(others.filter(isDirectoryName), []);
  assert.ok(isDirectoryName(newAsideName()));
});

test('file state: a name that is read back is the same state, and any other is none', () => {
  const number = fc.maxSafeNat();
  const token = fc.stringMatching(/^[\w-]*$/);
  const state = fc.record(
    { generation: number, fence: number, end: number, token },
    { noNullPrototype: true },
  );
  fc.assert(fc.property(state, (each) => assert.deepEqual(parseState(stateName(each)), each)));
  for (const odd of [
    '',
    '1,1,1',
    '01,1,1,',
    '-1,1,1,',
    `${2 ** 53},1,1,`,
    '1,1,1,a,b',
    '1,1,1e3,',
  ]) {
    assert.equal(parseState(odd), undefined, odd);
  }
});

test('file state: two processes from one startup snapshot choose different names', () => {
  const directory = mkdtempSync(join(tmpdir(), 'dlock-snapshot-'));
  const [script, blob] = [join(directory, 'script.cjs'), join(directory, 'blob')];
  try {
    const source = fileURLToPath(new URL('../../../src/stores/file/state.ts', import.meta.url));
    const contents = `
      import { startupSnapshot } from 'node:v8';
      import { firstState, newAsideName } from ${JSON.stringify(source)};
      const tell = () => console.log(newAsideName(), firstState().generation);
      tell();
      startupSnapshot.setDeserializeMainFunction(tell);`;
    const stdin = { contents, resolveDir: directory };
    const [built] = buildSync({ stdin, bundle: true, platform: 'node', write: false }).outputFiles;
    writeFileSync(script, built?.contents ?? '');
    const run = (...args: string[]) =>
      execFileSync(process.execPath, ['--snapshot-blob', blob, ...args], { encoding: 'utf8' });
    run('--build-snapshot', script);
    const names = [run(), run()].flatMap((output) => output.trim().split(' '));
    assert.equal(new Set(names).size, 4, `${names}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('file state: a new directory starts from a generation that leaves room to count', () => {
  for (let round = 0; round < 1_000; round++) {
    const { generation, ...rest } = firstState();
    assert.ok(generation < 2 ** 48);
    assert.deepEqual(rest, { fence: 0, end: rest.end, token: '' });
  }
});
