/** Holds leases by `await using`, and finds them released when their blocks are left. */
import assert from 'node:assert/strict';
import { type Lease, tryAcquire } from 'dlock-js';
import { MemoryStore } from 'dlock-js/memory';

const store = new MemoryStore();
const leases: Lease[] = [];

async function take(body: (lease: Lease | null) => unknown): Promise<void> {
  await using lease = await tryAcquire(store, 'import');
  if (lease) leases.push(lease);
  await body(lease);
}

await take(async (lease) => {
  assert.equal(lease?.held, true);
  await take((second) => assert.equal(second, null));
  assert.equal(lease.held, true);
});
const failure = new Error('the import failed');
await assert.rejects(
  take((lease) => {
    assert.equal(lease?.held, true);
    throw failure;
  }),
  (error) => error === failure,
);
await take((lease) => assert.equal(lease?.held, true));

assert.equal(leases.length, 3);
assert.ok(leases.every(({ held, signal }) => !held && !signal.aborted));
