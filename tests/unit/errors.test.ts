/** Errors are told apart by code and by `instanceof`, also between two copies of the package. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AcquireTimeoutError,
  DlockError,
  LeaseLostError,
  reasonOf,
  StoreError,
} from '../../src/base/errors.js';
import { lockNamed } from '../../src/base/names.js';
import { compile } from '../support/workers.js';

/** What each of our errors is given. */
const about = { lock: 'import', operation: 'acquire' } as const;

test('each error has its code, its name, and its place below DlockError', () => {
  const cause = new Error('no route to host');
  const store = new StoreError('the store is down', { ...about, cause });
  assert.equal(store.code, 'ERR_DLOCK_STORE');
  assert.equal(store.cause, cause);
  assert.equal(String(store), 'StoreError: the store is down');
  const lost = new LeaseLostError('gone', about);
  assert.equal(lost.code, 'ERR_DLOCK_LEASE_LOST');
  for (const error of [store, lost]) {
    assert.ok(error instanceof DlockError);
    assert.ok(error instanceof Error);
  }
  assert.ok(!(store instanceof LeaseLostError));
  assert.ok(!(lost instanceof StoreError));
  assert.ok(!(new DlockError('ERR_X', 'x', about) instanceof StoreError));
  assert.ok(!(cause instanceof DlockError));
  for (const value of [null, undefined, 1, 'StoreError', {}]) {
    assert.ok(!((value as unknown) instanceof StoreError));
  }
});

test('each error carries the whole name of the lock, and a StoreError what was asked', () => {
  const lock = 'n'.repeat(1_000);
  const store = new StoreError('x', { lock, operation: 'extend' });
  assert.deepEqual([store.lock, store.operation], [lock, 'extend']);
  assert.ok(!('cause' in store));
  assert.equal(new LeaseLostError('x', { lock }).lock, lock);
  assert.equal(new AcquireTimeoutError('x', { lock }).lock, lock);
});

test('the errors of a second copy are instances of ours', async () => {
  const copy = compile(new URL('../../src/base/errors.ts', import.meta.url));
  const second: typeof import('../../src/base/errors.js') = await import(copy);
  assert.notEqual(second.StoreError, StoreError);
  assert.ok(new second.StoreError('x', about) instanceof StoreError);
  assert.ok(new second.StoreError('x', about) instanceof DlockError);
  assert.ok(new LeaseLostError('x', about) instanceof second.LeaseLostError);
  assert.ok(!(new second.StoreError('x', about) instanceof LeaseLostError));
});

test('a class that a user derives claims its own instances only', () => {
  class QuotaError extends StoreError {}
  assert.ok(new QuotaError('x', about) instanceof QuotaError);
  assert.ok(new QuotaError('x', about) instanceof StoreError);
  assert.ok(!(new StoreError('x', about) instanceof QuotaError));
});

test('a lock is named in one printable line', () => {
  assert.equal(lockNamed('import'), 'lock "import"');
  assert.equal(lockNamed('a\n\u001b[31m"b"'), 'lock "a\\n\\u001b[31m\\"b\\""');
  assert.ok(lockNamed('n'.repeat(10_000)).length < 120);
});

test('the reason of an error is found wherever it stands', () => {
  const refused = ['127.0.0.1', '::1'].map((host) => new Error(`connect ECONNREFUSED ${host}:1`));
  const reasons: [unknown, string][] = [
    [refused[0], 'connect ECONNREFUSED 127.0.0.1:1'],
    [new AggregateError(refused), 'connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED ::1:1'],
    [Object.assign(new Error(''), { code: 'ECONNRESET' }), 'ECONNRESET'],
    [new Error('', { cause: new Error('reset by peer') }), 'reset by peer'],
    [new (class TimeoutError extends Error {})(), 'TimeoutError'],
    [new Error(''), 'Error'],
    ['a word', '"a word"'],
    [undefined, 'undefined'],
    [Object.create(null), '[object Object]'],
  ];
  for (const [error, reason] of reasons) assert.equal(reasonOf(error), reason);
});
