/** What the conformance suite refuses; what it shows of a store, the tests of the stores show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../src/stores/memory.js';
import { testStore } from '../../src/testing/index.js';

const create = () => ({ store: new MemoryStore() });

test('a case to skip that there is not', () => {
  const skip = { 'first come, last served': 'for no reason' };
  assert.throws(() => testStore({ name: 'skipping', create, skip }), {
    name: 'RangeError',
    message: 'There are no such cases: first come, last served',
  });
});

test('cases of a kind that there is not', () => {
  assert.throws(() => testStore({ name: 'choosing', create, cases: 'some' as never }), {
    name: 'RangeError',
    message: "cases is 'all' or 'essential', not \"some\"",
  });
});
