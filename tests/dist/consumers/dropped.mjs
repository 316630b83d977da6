/** Takes a lease and drops it without a release; prints the warning that this causes. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryAcquire } from 'dlock-js';
import { MemoryStore } from 'dlock-js/memory';

const store = new MemoryStore({ ttl: 300 });
const warnings = [];
process.on('warning', ({ code }) => warnings.push(code));

async function drop() {
  const lease = await tryAcquire(store, 'import');
  assert.equal(lease?.held, true);
}

await drop();
while (warnings.length === 0) {
  globalThis.gc();
  await sleep(20);
}
console.log(warnings.join(' '));
while (!(await tryAcquire(store, 'import'))) await sleep(20);
