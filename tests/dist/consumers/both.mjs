/** Uses the ESM and the CJS copy in one process: errors and stores of either must serve the other. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import * as esm from 'dlock-js';
import * as esmMemory from 'dlock-js/memory';

const require = createRequire(import.meta.url);
const cjs = require('dlock-js');
const cjsMemory = require('dlock-js/memory');
assert.notEqual(cjs.tryAcquire, esm.tryAcquire, 'There is only one copy');

const copies = [esm, cjs];
const pairs = copies.flatMap((one) => copies.map((other) => [one, other]));

/** A store that cannot be reached. */
const broken = {
  acquire: () => Promise.reject(new Error('ECONNREFUSED')),
  extend: () => Promise.reject(new Error('ECONNREFUSED')),
  release: () => Promise.reject(new Error('ECONNREFUSED')),
};

// The errors that the two copies really throw.
for (const [one, other] of pairs) {
  const trouble = await one.tryAcquire(broken, 'import').catch((error) => error);
  assert.equal(trouble.code, 'ERR_DLOCK_STORE');
  assert.ok(trouble instanceof other.StoreError);
  assert.ok(trouble instanceof other.DlockError);
  assert.ok(!(trouble instanceof other.LeaseLostError));

  const lease = await one.tryAcquire(new esmMemory.MemoryStore(), 'import');
  await lease.release();
  const assertHeld = () => lease.assertHeld();
  assert.throws(assertHeld, { name: 'LeaseLostError', code: 'ERR_DLOCK_LEASE_LOST' });
  assert.throws(assertHeld, (error) => error instanceof other.LeaseLostError);
  assert.throws(assertHeld, (error) => error instanceof other.DlockError);
  assert.throws(assertHeld, (error) => !(error instanceof other.StoreError));

  const badArgument = await one.tryAcquire(broken, '').catch((error) => error);
  assert.ok(!(badArgument instanceof other.DlockError));
}

// Every class of error against every other: `instanceof` follows `extends`, whichever the copies.
const inherits = (type, ancestor) => Object.prototype.isPrototypeOf.call(ancestor, type);
const about = { lock: 'import', operation: 'acquire' };
const errors = Object.entries(cjs).filter(([, value]) => inherits(value, Error));
assert.ok(errors.length >= 3);
for (const [one, other] of pairs) {
  for (const [name, type] of errors) {
    const code = type === cjs.DlockError ? ['ERR_DLOCK_OTHER'] : [];
    const error = new one[name](...code, 'message', about);
    for (const [ancestorName, ancestor] of errors) {
      const related = type === ancestor || inherits(type, ancestor);
      const claimed = error instanceof other[ancestorName];
      assert.equal(claimed, related, `${name} instanceof ${ancestorName}`);
    }
  }
  assert.ok(!(new Error('message') instanceof other.DlockError));
  assert.ok(!({ code: 'ERR_DLOCK_STORE' } instanceof other.StoreError));
  for (const value of [undefined, null, 'ERR_DLOCK_STORE']) {
    assert.ok(!(value instanceof other.StoreError));
  }
}

// A user's own class is a StoreError, and no other StoreError is one of the user's class.
for (const [one, other] of pairs) {
  class MaintenanceError extends one.StoreError {}
  class NightlyMaintenanceError extends MaintenanceError {}
  const nightly = new NightlyMaintenanceError('back at six', about);
  assert.ok(nightly instanceof NightlyMaintenanceError);
  assert.ok(nightly instanceof MaintenanceError);
  assert.ok(nightly instanceof other.StoreError);
  assert.ok(nightly instanceof other.DlockError);
  assert.ok(!(new MaintenanceError('back at noon', about) instanceof NightlyMaintenanceError));
  assert.ok(!(new other.StoreError('gone', about) instanceof MaintenanceError));
  assert.ok(!(new one.StoreError('gone', about) instanceof MaintenanceError));
}

// A store of either copy, used by both at once, still has one holder only.
for (const { MemoryStore } of [esmMemory, cjsMemory]) {
  for (const [one, other] of pairs) {
    const store = new MemoryStore();
    const lease = await one.tryAcquire(store, 'import');
    assert.equal(await other.tryAcquire(store, 'import'), null);
    assert.equal(await lease.release(), true);
    assert.equal((await other.tryAcquire(store, 'import'))?.held, true);
  }
}
