/** A FileStore among rubbish: files of others, links, numbers that are none, thousands of entries. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { LeaseLostError, StoreError, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import fc from 'fast-check';

const runs = Number(process.env.DLOCK_FUZZ_RUNS ?? 20);

const root = await mkdtemp(join(tmpdir(), 'dlock-hostile-'));
// What is in doubt is still being undone.
after(() => rm(root, { recursive: true, maxRetries: 10 }));

let count = 0;

/** A directory of locks in which the lock `import` has those files, and the store that uses it. */
async function storeAmong(files: string[]) {
  count += 1;
  const directory = join(root, `${count}`);
  const lock = join(directory, 'import');
  await mkdir(lock, { recursive: true });
  for (const file of files) await writeFile(join(lock, file), '');
  return { directory, lock, store: new FileStore(directory, { timeout: 2_000 }) };
}

const number = fc.oneof(
  fc.nat().map(String),
  fc.constantFrom(
    '0',
    '00',
    '-1',
    '1e9',
    '0x10',
    '1.5',
    'NaN',
    ' 1',
    '9'.repeat(15),
    '9'.repeat(60),
  ),
);
const fileName = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 60 }),
    fc.tuple(number, number, number, fc.string({ maxLength: 40 })).map((parts) => parts.join(',')),
    fc.constantFrom('.', '..', '.nfs0001', '.DS_Store', '1,1,1', ',,,', '1,1,1,', '1,1,1,a,b'),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..');

describe('file, rubbish in the directory', () => {
  test('in a lock: an answer or a StoreError, never two holders', async () => {
    const property = fc.asyncProperty(fc.array(fileName, { maxLength: 5 }), async (files) => {
      const { store } = await storeAmong(files);
      const first = await tryAcquire(store, 'import', { ttl: 5_000 }).catch(assertStoreError);
      const second = await tryAcquire(store, 'import', { ttl: 5_000 }).catch(assertStoreError);
      assert.ok(!first || !second, 'two hold the lock at once');
      if (!first) return;
      await first.extend();
      assert.equal(await first.release(), true);
      const next = await tryAcquire(store, 'import');
      assert.ok(next, 'the lock was given back');
      assert.ok(Number(next.fence) > Number(first.fence));
      await next.release();
    });
    await fc.assert(property, { numRuns: runs });
  });

  for (const odd of ['01,1,0,', `1,1,0${'0'.repeat(20)},`, `${2 ** 53 + 2},1,0,`]) {
    test(`a state named ${odd}, as we would not name it, is none: the store soon gives up`, async () => {
      const { store } = await storeAmong([odd]);
      await assert.rejects(store.acquire('import', 'a'.repeat(32), 60_000), /holds no state/);
    });
  }

  test('thousands of entries beside the locks, and in one', async () => {
    const rubbish = Array.from({ length: 3_000 }, (_, index) => `rubbish ${index}`);
    const { directory, store } = await storeAmong(['1,1,0,', ...rubbish]);
    for (const file of rubbish) await writeFile(join(directory, file), '');
    await using lease = await tryAcquire(store, 'import');
    assert.ok(lease);
    assert.equal(await tryAcquire(store, 'import'), null);
    assert.equal(await lease.release(), true);
  });

  test('a file, or a link to nowhere, in place of a lock is an outage, and undamaged', async () => {
    const { directory, store } = await storeAmong([]);
    await writeFile(join(directory, 'file'), 'data');
    await symlink(join(root, 'nowhere'), join(directory, 'dangling'));
    await assert.rejects(tryAcquire(store, 'file'), StoreError);
    await assert.rejects(tryAcquire(store, 'dangling'), StoreError);
    const left = await readdir(directory);
    assert.deepEqual(left.sort(), ['dangling', 'file', 'import'], 'nothing half-made is left');
  });

  test('a directory or a link in place of the state is a state: only its name counts', async () => {
    const { lock, store } = await storeAmong([]);
    await symlink('/etc/hostname', join(lock, '7,7,0,'));
    const lease = await tryAcquire(store, 'import');
    assert.ok(Number(lease?.fence) > 7);
    assert.equal(await lease?.release(), true);
  });

  test('emptied under a held lease: told, and the next one is given the lock', async () => {
    const { directory, store } = await storeAmong(['1,1,0,']);
    const lease = await tryAcquire(store, 'import', { ttl: 60_000 });
    assert.ok(lease);
    await rm(directory, { recursive: true });
    await assert.rejects(lease.extend(), LeaseLostError);
    assert.equal(lease.signal.aborted, true);
    const next = await tryAcquire(store, 'import');
    assert.ok(next);
    assert.equal(await lease.release(), false);
    assert.equal(await next.release(), true);
  });
});

function assertStoreError(error: unknown): undefined {
  assert.ok(error instanceof StoreError, `${error}`);
}
