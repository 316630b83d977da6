/** The order in which processes are signalled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eldersFirst } from '../../src/cli/processes.js';

const list = (...pairs: [pid: number, parent: number][]) =>
  pairs.map(([pid, parent]) => ({ pid, parent, started: '' }));

test('nobody follows its own child, whatever the numbers', () => {
  const processes = list([3, 30], [4, 3], [30, 31], [31, 1], [50, 1], [60, 50]);
  const pids = eldersFirst(processes).map(({ pid }) => pid);
  assert.deepEqual(pids, [31, 30, 3, 4, 50, 60]);
});

test('a list in which numbers were given anew ends, and is whole', () => {
  const circle = list([1, 2], [2, 3], [3, 1], [4, 4]);
  assert.deepEqual(new Set(eldersFirst(circle)), new Set(circle));
});
