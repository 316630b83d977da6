/** The sweep of a FileStore: what it removes, what it leaves, and who may come in between. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { FileStore } from 'dlock-js/file';
import { newAsideName } from '../../src/stores/file/state.js';
import { sweep } from '../../src/stores/file/sweep.js';
import { eventually } from '../../src/testing/fixture.js';
import { day, withWallClock } from '../support/wall-clock.js';
import { ended, startWorker } from '../support/workers.js';
import { killBefore, runToTheEnd, stopBefore } from './stepped-worker.js';

const root = await mkdtemp(join(tmpdir(), 'dlock-sweep-'));
// A sweep that rests keeps no process alive; while a test waits for one, this does.
const alive = setInterval(() => {}, 60_000);
after(async () => {
  clearInterval(alive);
  await rm(root, { recursive: true });
});

const later = (directory: string, ms: number) => withWallClock(ms, () => sweep(directory));
const minute = 60_000;

/** A directory with what a sweep removes: a lock, what was prepared for one, and what is left of one. */
async function oldDirectory(title: string): Promise<string> {
  const directory = join(root, title);
  const leftover = join(directory, 'leftover');
  for (const path of [join(directory, 'import'), join(directory, newAsideName())]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await writeFile(join(path, '7,7,1000,'), '');
  }
  await mkdir(leftover, { mode: 0o700 });
  await utimes(leftover, 1, 1);
  return directory;
}

/** A directory without any lock. */
async function newDirectory(title: string): Promise<string> {
  const directory = join(root, title);
  await mkdir(directory, { mode: 0o700 });
  return directory;
}

test('sweep: a lock is removed once it has been free for a day, and its fence grows all the same', async () => {
  const directory = join(root, 'day');
  const store = new FileStore(directory);
  const first = await store.acquire('import', 'a', minute);
  assert.equal(await store.release('import', 'a'), true);
  await later(directory, day - minute);
  assert.deepEqual(await readdir(directory), ['import']);
  await later(directory, day + minute);
  assert.deepEqual(await readdir(directory), []);
  const next = await withWallClock(minute, () => store.acquire('import', 'b', minute));
  assert.ok(first.granted && next.granted);
  assert.ok(Number(next.fence) > Number(first.fence), `${next.fence} after ${first.fence}`);
});

test('sweep: a lock is removed a day after the life of its holder has ended, and not before', async () => {
  const directory = join(root, 'lapsed');
  const store = new FileStore(directory);
  await store.acquire('import', 'a', 3 * day);
  await later(directory, 4 * day - minute);
  assert.equal((await store.acquire('import', 'b', minute)).granted, false);
  await later(directory, 4 * day + minute);
  assert.deepEqual(await readdir(directory), []);
});

test('sweep: a lock that several held is removed with the list of them, a day after the last has ended', async () => {
  const directory = join(root, 'shared');
  const store = new FileStore(directory);
  await store.acquireShared('import', 'a', minute, 2);
  await store.acquireShared('import', 'b', 2 * day, 2);
  await later(directory, 2 * day);
  const holding = () => withWallClock(day, () => store.extend('import', 'b', 2 * day));
  assert.equal(await holding(), true, 'its list was left');
  await later(directory, 4 * day + minute);
  assert.deepEqual(await readdir(directory), []);
});

test('sweep: lists that a crash has left are removed from a lock in use, and the one that counts is not', async () => {
  const directory = join(root, 'lists');
  const store = new FileStore(directory);
  await store.acquireShared('import', 'a', minute, 2);
  await writeFile(join(directory, 'import', '@1-left'), '[]');
  await sweep(directory);
  const files = await readdir(join(directory, 'import'));
  assert.equal(files.filter((file) => file.startsWith('@')).length, 1);
  assert.ok(!files.includes('@1-left'));
  assert.equal(await store.extend('import', 'a', minute), true);
});

test('sweep: where nothing but a list is left, nobody holds the lock', async () => {
  const directory = join(root, 'lone list');
  const store = new FileStore(directory);
  for (const sweeps of [false, true]) {
    const lock = join(directory, 'import');
    await mkdir(lock, { recursive: true, mode: 0o700 });
    await writeFile(join(lock, '@7-left'), '[{"token":"b","end":9000000000000}]');
    if (sweeps) await later(directory, 2 * day);
    assert.equal((await store.acquire('import', 'a', minute)).granted, true);
    await rm(lock, { recursive: true });
  }
});

test('sweep: a lock whose fence is ahead of the clock is kept until the clock is a day beyond it', async () => {
  const directory = join(root, 'ahead');
  const store = new FileStore(directory);
  await withWallClock(30 * day, () => store.acquire('import', 'a', minute));
  await store.release('import', 'a');
  await later(directory, 2 * day);
  assert.deepEqual(await readdir(directory), ['import']);
  await later(directory, 31 * day + 2 * minute);
  assert.deepEqual(await readdir(directory), []);
});

test('sweep: what is left of locks is removed, whatever form the state had', async () => {
  const directory = await oldDirectory('old');
  await sweep(directory);
  assert.deepEqual(await readdir(directory), []);
});

test('sweep: whatever is not exactly a lock of ours stays, and links lead nowhere', async () => {
  const directory = join(root, 'mixed');
  const elsewhere = join(root, 'elsewhere');
  const state = '7,7,1000,';
  for (const path of ['own', 'Import', '.git', 'two', 'data', 'nested', 'young']) {
    await mkdir(join(directory, path), { recursive: true, mode: path === 'young' ? 0o700 : 0o755 });
  }
  await utimes(join(directory, 'own'), 1, 1);
  await mkdir(join(elsewhere, 'import'), { recursive: true });
  for (const file of ['Import', '.git', 'two', '../elsewhere/import']) {
    await writeFile(join(directory, file, state), '');
  }
  await writeFile(join(directory, 'two', 'notes'), 'notes');
  await writeFile(join(directory, 'data', 'notes'), 'notes');
  await mkdir(join(directory, 'nested', state));
  await writeFile(join(directory, 'file'), 'data');
  await writeFile(join(directory, state), '');
  await symlink(join(elsewhere, 'import'), join(directory, 'link'));
  const listing = async () => {
    const files = [directory, elsewhere].map((each) => readdir(each, { recursive: true }));
    return (await Promise.all(files)).map((each) => each.sort());
  };
  const before = await listing();
  await sweep(directory);
  assert.deepEqual(await listing(), before);
});

test('sweep: twenty at once remove all, and fail for none', async () => {
  const directory = join(root, 'many');
  for (let index = 0; index < 500; index++) {
    await mkdir(join(directory, `lock-${index}`), { recursive: true });
    await writeFile(join(directory, `lock-${index}`, `${index},1,1000,`), '');
  }
  await Promise.all(Array.from({ length: 20 }, () => sweep(directory)));
  assert.deepEqual(await readdir(directory), []);
});

test('sweep: taking a lock starts one in the background, which keeps no process alive', async () => {
  const directory = join(root, 'background');
  const count = 5_000;
  for (let index = 0; index < count; index++) {
    await mkdir(join(directory, `lock-${index}`), { recursive: true });
    await writeFile(join(directory, `lock-${index}`, '7,7,1000,'), '');
  }
  const taker = new URL('./workers/file-taker.ts', import.meta.url);
  assert.equal(await ended(startWorker(taker, directory)), 0);
  const left = (await readdir(directory)).length;
  assert.ok(left < count, 'it began');
  assert.ok(left > 1, 'it was not waited for');
});

test('sweep: a waiting process takes the lock, though what it watches is swept', async () => {
  const directory = join(root, 'watched');
  const store = new FileStore(directory);
  await store.acquire('import', 'a', minute);
  let wakes = 0;
  await using _watch = await store.watch('import', () => {
    wakes += 1;
  });
  // As after a machine slept for days: the life of the holder has long ended, nobody has asked yet.
  await later(directory, 2 * day);
  await eventually('the sweep wakes', async () => wakes > 0);
  const woken = wakes;
  assert.ok((await store.acquire('import', 'b', minute)).granted);
  await eventually('the new directory is watched', async () => wakes > woken);
});

const counted = {
  sweep: await runToTheEnd('sweep', await oldDirectory('count swept')),
  take: await runToTheEnd('take', await oldDirectory('count taken')),
  make: await runToTheEnd('take', await newDirectory('count made')),
  share: await runToTheEnd('share', await newDirectory('count shared')),
};
const sweepCalls = Number(counted.sweep.calls);
const callsToTake = Number(counted.take.callsToAcquire);
const callsToMake = Number(counted.make.callsToAcquire);
const callsToShare = Number(counted.share.calls);

test('sweep: each of these processes makes calls to stop it at', () => {
  assert.ok(sweepCalls >= 10 && callsToTake >= 3 && callsToMake >= 8);
  assert.ok(callsToShare > callsToMake);
});

for (let nth = 0; nth < sweepCalls; nth++) {
  test(`a sweep killed before call ${nth} of ${sweepCalls} loses no lock, and leaves nothing for good`, async () => {
    const directory = await oldDirectory(`killed-${nth}`);
    await killBefore(nth, 'sweep', directory);
    const store = new FileStore(directory);
    await later(directory, day + minute);
    assert.deepEqual(await readdir(directory), []);
    const attempt = await store.acquire('import', 'a', minute);
    assert.ok(attempt.granted && Number(attempt.fence) > 7);
  });

  test(`a sweep stopped before call ${nth} of ${sweepCalls} does not remove a lock taken meanwhile`, async () => {
    const directory = await oldDirectory(`stopped-${nth}`);
    await using worker = await stopBefore(nth, 'sweep', directory);
    const store = new FileStore(directory);
    assert.ok((await store.acquire('import', 'a', minute)).granted);
    await worker.goOn();
    assert.equal((await store.acquire('import', 'b', minute)).granted, false);
    assert.equal(await store.release('import', 'a'), true);
    assert.deepEqual(await readdir(directory), ['import']);
  });
}

describe('sweep, between any two calls of who takes the lock', () => {
  const lives = [
    { title: 'an old lock', calls: callsToTake, open: oldDirectory },
    { title: 'a new lock', calls: callsToMake, open: newDirectory },
  ];
  for (const { title, calls, open } of lives) {
    for (let nth = 0; nth < calls; nth++) {
      test(`${title}, stopped before call ${nth} of ${calls}: swept, and the lock is its own`, async () => {
        const directory = await open(`${title}-alone-${nth}`);
        await using worker = await stopBefore(nth, 'take', directory);
        await later(directory, day + minute);
        assert.deepEqual(await worker.goOn(), { acquired: true, extended: true, released: true });
        await later(directory, 2 * day);
        assert.deepEqual(await readdir(directory), []);
      });

      test(`${title}, stopped before call ${nth} of ${calls}: swept, and another's lock stays another's`, async () => {
        const directory = await open(`${title}-taken-${nth}`);
        await using worker = await stopBefore(nth, 'take', directory);
        const store = new FileStore(directory);
        await later(directory, day + minute);
        assert.ok((await store.acquire('import', 'b', minute)).granted);
        const told = await worker.goOn();
        assert.deepEqual(told, { acquired: false, extended: false, released: false });
        assert.equal(await store.release('import', 'b'), true);
      });
    }
  }

  for (const [work, calls] of [
    ['take', callsToMake],
    ['share', callsToShare],
  ] as const) {
    for (let nth = 0; nth < calls; nth++) {
      test(`a new lock, killed before call ${nth} of ${calls} to ${work} it: nothing is left after a day`, async () => {
        const directory = await newDirectory(`made-${work}-${nth}`);
        await killBefore(nth, work, directory);
        await later(directory, day + minute);
        assert.deepEqual(await readdir(directory), []);
      });
    }
  }
});
