/** FileStore, with real processes that stop and die between any two of its steps. */
import assert from 'node:assert/strict';
import { chown, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { StoreError, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { eventually } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { randomNames } from '../support/random-names.js';
import { withWallClock } from '../support/wall-clock.js';
import { countTogether } from './many-processes.js';
import { killBefore, runToTheEnd, stopBefore } from './stepped-worker.js';

const root = await mkdtemp(join(tmpdir(), 'dlock-file-'));
after(() => rm(root, { recursive: true }));

testStore({
  name: 'FileStore',
  sharing: true,
  persistent: true,
  create() {
    const open = () => new FileStore(join(root, 'conformance'));
    return {
      store: open(),
      other: open(),
      others: Array.from({ length: 18 }, open),
      restart: open,
    };
  },
});

test('file: 8 processes count to 400 together, no update lost, fences in order', async () => {
  await countTogether(pathToFileURL(join(root, 'counter')).href, 8, 50);
});

test('file: 2000 names of random bytes are 2000 locks, all inside the directory', async () => {
  const directory = join(root, 'names', 'inner');
  const store = new FileStore(directory, { timeout: 60_000 });
  const names = randomNames(2_000);
  const leases = await Promise.all(names.map((name) => tryAcquire(store, name)));
  assert.ok(leases.every((lease) => lease !== null));
  assert.equal((await readdir(directory)).length, 2_000);
  assert.deepEqual(await readdir(join(root, 'names')), ['inner']);
  assert.ok((await Promise.all(leases.map((lease) => lease?.release()))).every(Boolean));
});

for (const work of ['take', 'share'] as const)
  describe(`file: between any two calls to the file system, ${work}`, {
    concurrency: 4,
  }, async () => {
    const { calls } = await runToTheEnd(work, join(root, `count-${work}`));
    assert.ok(Number(calls) >= 10);
    for (let nth = 0; nth < Number(calls); nth++) {
      test(`a crash before call ${nth} frees the lock after the ttl, and the fence grows`, async () => {
        const directory = join(root, `crash-${work}-${nth}`);
        await killBefore(nth, work, directory);
        const store = new FileStore(directory);
        const fences: number[] = [];
        for (let round = 0; round < 2; round++) {
          await eventually('the lock comes free', async () => {
            await using lease = await tryAcquire(store, 'import');
            if (lease) fences.push(Number(lease.fence));
            return lease !== null;
          });
        }
        assert.ok(Number(fences[1]) > Number(fences[0]));
      });

      test(`a stop before call ${nth}, until another holds the lock, disturbs nobody`, async () => {
        const directory = join(root, `stop-${work}-${nth}`);
        await using worker = await stopBefore(nth, work, directory);
        const store = new FileStore(directory);
        let lease = await tryAcquire(store, 'import');
        await eventually('the lock comes free', async () => {
          lease ??= await tryAcquire(store, 'import');
          return lease !== null;
        });
        const told = await worker.goOn();
        // Tidying up comes behind the change itself, whose answer is then older than the stop.
        const isTidying = worker.before === 'rm';
        const knowsNothing = Object.values(told).every((answer) => answer === false);
        assert.ok(knowsNothing || isTidying, JSON.stringify(told));
        assert.equal(lease?.held, true);
        assert.equal(await lease?.release(), true);
      });
    }
  });

test('file: the directory is made for its owner only', async () => {
  const directory = join(root, 'deep', 'down');
  await using lease = await tryAcquire(new FileStore(directory), 'import');
  assert.ok(lease);
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  assert.equal((await stat(join(directory, 'import'))).mode & 0o777, 0o700);
});

test('file: a link in place of the directory is refused', async () => {
  const link = join(root, 'link');
  await mkdir(join(root, 'elsewhere'));
  await symlink(join(root, 'elsewhere'), link);
  await assert.rejects(tryAcquire(new FileStore(link), 'import'), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /not a link/);
    return true;
  });
});

test('file: a directory of another user is refused', async () => {
  const foreign = join(root, 'foreign');
  await mkdir(foreign);
  // Only root can give one away; for anyone else, there are those of root.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await chown(foreign, 12_345, 12_345);
  const store = new FileStore(isRoot ? foreign : '/');
  await assert.rejects(
    tryAcquire(store, 'import'),
    isRoot ? /belongs to user 12345/ : /belongs to user 0,/,
  );
});

test('file: after the directory was removed, the lock can be taken, and its fence still grows', async () => {
  const directory = join(root, 'vanishing');
  const store = new FileStore(directory);
  const before = await store.acquire('import', 'a', 60_000);
  await rm(directory, { recursive: true });
  const after = await store.acquire('import', 'b', 60_000);
  assert.ok(before.granted && after.granted);
  assert.ok(Number(after.fence) > Number(before.fence), `${after.fence} after ${before.fence}`);
});

test('file: a clock that was set back does not take the fence back', async () => {
  const store = new FileStore(join(root, 'clock'));
  const fences: (number | undefined)[] = [];
  for (const ahead of [3_600_000, 0, -3_600_000]) {
    await withWallClock(ahead, async () => {
      const attempt = await store.acquire('import', `a${ahead}`, 60_000);
      assert.ok(attempt.granted);
      fences.push(attempt.fence);
      assert.equal(await store.release('import', `a${ahead}`), true);
    });
  }
  const [first = 0] = fences;
  assert.deepEqual(fences, [first, first + 1, first + 2]);
});

test('file: a clock beyond the largest exact fence is an outage, and spoils no lock', async () => {
  const store = new FileStore(join(root, 'future'));
  const aheadOf2255 = Date.UTC(2256, 0) - Date.now();
  await withWallClock(aheadOf2255, () =>
    assert.rejects(store.acquire('import', 'a', 60_000), RangeError),
  );
  assert.ok((await store.acquire('import', 'a', 60_000)).granted);
});

test('file: a watch goes on with the directory that takes the place of one that was removed', async () => {
  const directory = join(root, 'watched');
  const store = new FileStore(directory);
  await store.acquire('import', 'a', 60_000);
  let wakes = 0;
  await using _watch = await store.watch('import', () => {
    wakes += 1;
  });
  await rm(directory, { recursive: true });
  await eventually('the removal wakes', async () => wakes > 0);
  await store.acquire('import', 'b', 60_000);
  let noticed = 0;
  await eventually('renewals are noticed', async () => {
    const before = wakes;
    await store.extend('import', 'b', 60_000);
    await sleep(20);
    if (wakes > before) noticed += 1;
    return noticed >= 3;
  });
});

test('file: a lock directory with something else than a state is an error, not a free lock', async () => {
  const directory = join(root, 'broken');
  await mkdir(join(directory, 'import', 'something'), { recursive: true });
  await assert.rejects(tryAcquire(new FileStore(directory), 'import'), /holds no state/);
});

test('file: an empty lock directory, as a sweep that was killed leaves it, is a free lock', async () => {
  const directory = join(root, 'empty');
  const store = new FileStore(directory);
  const empty = () => mkdir(join(directory, 'import'), { recursive: true });
  await empty();
  assert.equal(await store.extend('import', 'a', 60_000), false);
  await empty();
  assert.equal(await store.release('import', 'a'), false);
  await empty();
  await using lease = await tryAcquire(store, 'import');
  assert.ok(lease);
});

test('file: a path that is a file is an outage, not a refusal', async () => {
  const worker = new FileStore(process.execPath);
  await assert.rejects(tryAcquire(worker, 'import'), StoreError);
});

test('file: invalid arguments are refused', () => {
  assert.throws(() => new FileStore(''), TypeError);
  assert.throws(() => new FileStore(undefined as never), TypeError);
});
