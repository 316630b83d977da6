/** Takes a lease and gives it back, as an ES module. */
import assert from 'node:assert/strict';
import { LeaseLostError, tryAcquire } from 'dlock-js';
import { MemoryStore } from 'dlock-js/memory';

const store = new MemoryStore();
const lease = await tryAcquire(store, 'import');
assert.equal(lease?.held, true);
assert.equal(await tryAcquire(store, 'import'), null);
assert.equal(await lease.release(), true);
assert.throws(() => lease.assertHeld(), LeaseLostError);
assert.equal((await tryAcquire(store, 'import'))?.held, true);
