/** Errors are told apart by code and by `instanceof`, also between two copies of the package. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DlockError, LeaseLostError, lockNamed, StoreError } from '../../src/errors.js';

test('each error has its code, its name, and its place below DlockError', () => {
  const cause = new Error('no route to host');
  const store = new StoreError('the store is down', { cause });
  assert.equal(store.code, 'ERR_DLOCK_STORE');
  assert.equal(store.cause, cause);
  assert.equal(String(store), 'StoreError: the store is down');
  const lost = new LeaseLostError('gone');
  assert.equal(lost.code, 'ERR_DLOCK_LEASE_LOST');
  for (const error of [store, lost]) {
    assert.ok(error instanceof DlockError);
    assert.ok(error instanceof Error);
  }
  assert.ok(!(store instanceof LeaseLostError));
  assert.ok(!(lost instanceof StoreError));
  assert.ok(!(new DlockError('ERR_X', 'x') instanceof StoreError));
  assert.ok(!(cause instanceof DlockError));
  for (const value of [null, undefined, 1, 'StoreError', {}]) {
    assert.ok(!((value as unknown) instanceof StoreError));
  }
});

test('the errors of a second copy are instances of ours', async () => {
  const copy = `../../src/errors.js?copy=${Date.now()}`;
  const second: typeof import('../../src/errors.js') = await import(copy);
  assert.notEqual(second.StoreError, StoreError);
  assert.ok(new second.StoreError('x') instanceof StoreError);
  assert.ok(new second.StoreError('x') instanceof DlockError);
  assert.ok(new LeaseLostError('x') instanceof second.LeaseLostError);
  assert.ok(!(new second.StoreError('x') instanceof LeaseLostError));
});

test('a class that a user derives claims its own instances only', () => {
  class QuotaError extends StoreError {}
  assert.ok(new QuotaError('x') instanceof QuotaError);
  assert.ok(new QuotaError('x') instanceof StoreError);
  assert.ok(!(new StoreError('x') instanceof QuotaError));
});

test('a lock is named in one printable line', () => {
  assert.equal(lockNamed('import'), 'lock "import"');
  assert.equal(lockNamed('a\n\u001b[31m"b"'), 'lock "a\\n\\u001b[31m\\"b\\""');
  assert.ok(lockNamed('n'.repeat(10_000)).length < 120);
});
