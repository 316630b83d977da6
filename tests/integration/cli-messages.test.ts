/** What -v says of trouble: each thing once. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dlock, fileStore, running } from '../support/command.js';

const countOf = (text: unknown, pattern: RegExp) => [...String(text).matchAll(pattern)].length;

test('-v: a store that fails is reported once, however often it was tried', async () => {
  const { exitCode, stderr } = await dlock(['-v', 'job', '--', 'true'], {
    store: 'memcache://127.0.0.1:1',
  });
  assert.equal(exitCode, 69);
  assert.equal(countOf(stderr, /failed to acquire lock "job"/g), 1, String(stderr));
  assert.ok(countOf(stderr, /failed to release lock "job"/g) <= 1, String(stderr));
});

test('a store that fails is reported without -v, too', async () => {
  const { exitCode, stderr } = await dlock(['-q', 'job', '--', 'true'], {
    store: 'memcache://127.0.0.1:1',
  });
  assert.equal(exitCode, 69);
  assert.equal(countOf(stderr, /failed to acquire lock "job"/g), 1, String(stderr));
});

test('-v: a lock that is lost is reported once', async () => {
  const store = fileStore();
  const { started } = await running(['-v', '--ttl', '3s', 'job'], 'exec sleep 60', { store });
  await rm(fileURLToPath(store), { recursive: true });
  const { exitCode, stderr } = await started;
  assert.equal(exitCode, 76);
  assert.equal(countOf(stderr, /is lost/g), 1, String(stderr));
});
