/** A body of `once` that wants to record its run, on a store that cannot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { once } from '../../src/api/once.js';
import type { Run } from '../../src/api/run.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { altered } from '../../src/testing/fixture.js';

const period = '2026-11-24T05';
const expected = {
  name: 'TypeError',
  message: /^The store of lock "import" must have `record`, for a body that takes `run`/,
};

test('a body that takes run is refused before any request', async () => {
  const asked = () => assert.fail('the store was asked');
  const store = altered(new MemoryStore(), { acquire: asked, release: asked });
  const body = (_lease: unknown, run: Run) => run.recordIn(asked);
  await assert.rejects(once(store, 'import', period, body), expected);
});

test('one that takes it in another way is refused when it records, before any query', async () => {
  const store = new MemoryStore();
  const query = () => assert.fail('there was a query');
  const body = (...given: [unknown, Run]) => given[1].recordIn(query);
  await assert.rejects(once(store, 'import', period, body), expected);
  assert.deepEqual(await once(store, 'import', period, () => 1), { ran: true, value: 1 });
});
