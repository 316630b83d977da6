/** Takes a lease and gives it back, as a CommonJS module. */
const assert = require('node:assert/strict');
const { LeaseLostError, tryAcquire } = require('dlock-js');
const { MemoryStore } = require('dlock-js/memory');

async function main() {
  const store = new MemoryStore();
  const lease = await tryAcquire(store, 'import');
  assert.equal(lease?.held, true);
  assert.equal(await tryAcquire(store, 'import'), null);
  assert.equal(await lease.release(), true);
  assert.throws(() => lease.assertHeld(), LeaseLostError);
  assert.equal((await tryAcquire(store, 'import'))?.held, true);
}

main();
