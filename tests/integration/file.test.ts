/** FileStore, with real processes that stop and die between any two of its steps. */
import assert from 'node:assert/strict';
import { chown, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { StoreError, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { eventually } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { randomNames } from '../random-names.js';
import { hasStopped } from '../servers/processes.js';
import { ended, startWorker } from '../workers.js';
import { countTogether } from './many-processes.js';

const root = await mkdtemp(join(tmpdir(), 'dlock-file-'));
after(() => rm(root, { recursive: true }));

testStore({
  name: 'FileStore',
  create() {
    const directory = join(root, 'conformance');
    return { store: new FileStore(directory), other: new FileStore(directory) };
  },
});

test('file: 8 processes count to 1600 together, no update lost, fences in order', async () => {
  await countTogether(pathToFileURL(join(root, 'counter')).href, 8, 200);
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

/** How many calls to the file system the worker makes, told by a run that nothing stops. */
async function countCalls(): Promise<number> {
  const worker = startWorker(stepsWorker, join(root, 'count'), '-1', 'SIGKILL');
  let calls = 0;
  worker.on('message', (message: { calls?: number }) => {
    calls = message.calls ?? calls;
  });
  assert.equal(await ended(worker), 0);
  assert.ok(calls >= 10);
  return calls;
}

const stepsWorker = new URL('./workers/file-steps.ts', import.meta.url);

describe('file: between any two calls to the file system', { concurrency: 4 }, async () => {
  const calls = await countCalls();
  for (let nth = 0; nth < calls; nth++) {
    test(`a crash before call ${nth} frees the lock after the ttl, and the fence grows`, async () => {
      const directory = join(root, `crash-${nth}`);
      const worker = startWorker(stepsWorker, directory, `${nth}`, 'SIGKILL');
      assert.equal(await ended(worker), 'SIGKILL');
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
      const directory = join(root, `stop-${nth}`);
      const worker = startWorker(stepsWorker, directory, `${nth}`, 'SIGSTOP');
      const answers: Record<string, unknown> = {};
      let stopped = false;
      worker.on('message', (message: Record<string, unknown>) => {
        if (message.stopsBefore) stopped = true;
        else if (stopped) Object.assign(answers, message);
      });
      const { pid = 0 } = worker;
      // It says so just before, and would sleep for ever if it were woken up before it stops.
      await eventually('the worker stops itself', async () => stopped && (await hasStopped(pid)));

      const store = new FileStore(directory);
      let lease = await tryAcquire(store, 'import');
      await eventually('the lock comes free', async () => {
        lease ??= await tryAcquire(store, 'import');
        return lease !== null;
      });
      process.kill(pid, 'SIGCONT');
      assert.equal(await ended(worker), 0);
      const { calls: _, ...told } = answers;
      assert.ok(
        Object.values(told).every((answer) => answer === false),
        JSON.stringify(told),
      );
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

test('file: a directory that vanished is made again', async () => {
  const directory = join(root, 'vanishing');
  const store = new FileStore(directory);
  await (await tryAcquire(store, 'import'))?.release();
  await rm(directory, { recursive: true });
  await using lease = await tryAcquire(store, 'import');
  assert.ok(lease);
});

test('file: a lock directory without a state is an error, not a free lock', async () => {
  const directory = join(root, 'broken');
  await mkdir(join(directory, 'import'), { recursive: true });
  await assert.rejects(tryAcquire(new FileStore(directory), 'import'), /holds no state/);
});

test('file: a path that is a file is an outage, not a refusal', async () => {
  const worker = new FileStore(process.execPath);
  await assert.rejects(tryAcquire(worker, 'import'), StoreError);
});

test('file: arguments that cannot be meant are refused', () => {
  assert.throws(() => new FileStore(''), TypeError);
  assert.throws(() => new FileStore(undefined as never), TypeError);
});
