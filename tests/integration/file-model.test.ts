/**
 * Random work on one directory, sweeps among it, of stores and of processes: what must always hold.
 * DLOCK_FILE_OPERATIONS: how many operations. DLOCK_FILE_SECONDS: for how long the processes work.
 */
import assert from 'node:assert/strict';
import fs, { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileStore } from 'dlock-js/file';
import { clock, useClock } from '../../src/base/clock.js';
import { sweep } from '../../src/stores/file/sweep.js';
import { day, withWallClock } from '../support/wall-clock.js';
import { ended, startWorker } from '../support/workers.js';

const operations = Number(process.env.DLOCK_FILE_OPERATIONS ?? 8_000);
const duration = 1_000 * Number(process.env.DLOCK_FILE_SECONDS ?? 8);

const root = await mkdtemp(join(tmpdir(), 'dlock-model-'));
const alive = setInterval(() => {}, 60_000);
after(async () => {
  clearInterval(alive);
  await rm(root, { recursive: true, maxRetries: 10 });
});

/** What a lock must never contradict, seen from outside. */
class Model {
  #holder: { token: string; end: number } | undefined;
  /** The largest fence that was answered. */
  #fence = 0;
  readonly #fences = new Set<number>();

  get lastFence(): number {
    return this.#fence;
  }

  /** `asked`: when, and what the last fence was then. The life counts from no earlier than that. */
  granted(token: string, fence: number, asked: { at: number; lastFence: number }, ttl: number) {
    assert.ok(fence > asked.lastFence, `fence ${fence} after ${asked.lastFence}`);
    assert.ok(!this.#fences.has(fence), `fence ${fence} twice`);
    this.#fences.add(fence);
    this.#fence = Math.max(this.#fence, fence);
    this.#holds({ token, end: asked.at + ttl });
  }

  /** Until the answer is there, the life may be either: what was left, or what was asked for. */
  asksToExtend(token: string, end: number) {
    if (this.#holder?.token === token) this.#holder.end = Math.min(this.#holder.end, end);
  }

  extended(token: string, end: number) {
    if (this.#holder?.token === token) this.#holder.end = end;
    else this.#holds({ token, end });
  }

  /** From now on another may hold it. */
  leaves(token: string) {
    if (this.#holder?.token === token) this.#holder = undefined;
  }

  /** The answer may have come so late that the life is over. */
  #holds(holder: { token: string; end: number }) {
    const now = clock.wall();
    if (holder.end <= now) return;
    assert.ok(!this.#holder || this.#holder.end <= now, 'two hold the lock');
    this.#holder = holder;
  }
}

/** How many directories have been removed. */
function countRemovals(): () => number {
  const { rmdir } = fs;
  let removals = 0;
  fs.rmdir = async (...args) => {
    await rmdir(...args);
    removals += 1;
  };
  syncBuiltinESMExports();
  return () => removals;
}

test(`file: ${operations} random operations of 4 stores, with sweeps, never contradict the model`, async (t) => {
  const pick = <T>(choices: readonly T[]) =>
    choices[Math.floor(Math.random() * choices.length)] as T;
  const directory = join(root, 'model');
  const stores = Array.from({ length: 4 }, () => new FileStore(directory));
  const locks = Array.from({ length: 60 }, (_, index) => ({
    name: index % 2 ? `${index}` : `An odd name, ${index}`,
    model: new Model(),
  }));
  let sweeps = 0;
  /** Half of the work is on a few locks, which are others after each sweep. */
  const pickLock = () =>
    pick(Math.random() < 0.5 ? locks : locks.slice(sweeps % 50, (sweeps % 50) + 6));

  const real = clock;
  let ahead = 0;
  useClock({ ...real, wall: () => real.wall() + ahead, setIdleTimer: setImmediate });

  let done = 0;
  let grants = 0;
  const removals = countRemovals();
  /** One caller after the other, in one of many strands that go on side by side. */
  async function strand() {
    while (done < operations) {
      const { name, model } = pickLock();
      const store = pick(stores);
      const token = `token${done++}`;
      const ttl = pick([50, 1_000, 60_000, day / 2]);
      const asked = { at: Math.floor(clock.wall()), lastFence: model.lastFence };
      const attempt = await store.acquire(name, token, ttl);
      if (!attempt.granted) continue;
      grants += 1;
      model.granted(token, Number(attempt.fence), asked, ttl);
      for (let rounds = Math.floor(Math.random() * 3); rounds > 0; rounds--) {
        done += 1;
        const at = Math.floor(clock.wall());
        model.asksToExtend(token, at + ttl);
        if (!(await pick(stores).extend(name, token, ttl))) break;
        model.extended(token, at + ttl);
      }
      if (Math.random() < 0.2) continue;
      done += 1;
      model.leaves(token);
      await pick(stores).release(name, token);
    }
  }

  /** Lets hours and days pass, at any moment of the others' work, and sweeps. */
  async function time() {
    while (done < operations) {
      ahead += pick([10, 1_000, 3_600_000, day / 2, day, 2 * day]);
      await Promise.all(
        Array.from({ length: Math.ceil(Math.random() * 3) }, () => sweep(directory)),
      );
      sweeps += 1;
    }
  }

  await stores[0]?.acquire('first', 'first', 1);
  try {
    await Promise.all([time(), ...Array.from({ length: 8 }, strand)]);
    t.diagnostic(`${grants} grants, ${sweeps} sweeps, ${removals()} removals`);
    assert.ok(
      grants > operations / 20 && removals() > operations / 200,
      'the run was one of sweeps and grants',
    );

    ahead += 4 * day;
    await sweep(directory);
    assert.deepEqual(await readdir(directory), []);
  } finally {
    done = operations;
    useClock(real);
  }
});

test('file: 6 processes for which a day lasts 20 ms, killed and stopped, lose no lock and no fence', async (t) => {
  const [locks, logs] = [join(root, 'locks'), join(root, 'logs')];
  await mkdir(locks, { mode: 0o700 });
  await mkdir(logs);
  const worker = new URL('./workers/file-days.ts', import.meta.url);
  const end = Date.now() + duration;
  const workers = Array.from({ length: 6 }, () => startWorker(worker, locks, logs, '20', `${end}`));
  let removals = 0;
  for (const each of workers) {
    each.on('message', (told: { removals: number }) => {
      removals += told.removals;
    });
  }
  const endings = Promise.all(workers.map(ended));
  // Days pass while each of four stands still somewhere, and two die somewhere.
  for (let round = 0; Date.now() < end - 2_000; round++) {
    await sleep(300);
    const stopped = workers[round % 4];
    stopped?.kill('SIGSTOP');
    await sleep(100);
    stopped?.kill('SIGCONT');
    if (Date.now() > end - 6_000) workers[4]?.kill('SIGKILL');
    if (Date.now() > end - 4_000) workers[5]?.kill('SIGKILL');
  }
  assert.deepEqual(await endings, [0, 0, 0, 0, 'SIGKILL', 'SIGKILL']);

  let lines = 0;
  for (const log of await readdir(logs)) {
    let last = 0;
    const written = (await readFile(join(logs, log), 'utf8')).trimEnd().split('\n');
    for (const [index, line] of written.entries()) {
      const [number, fence] = line.split(' ').map(Number);
      assert.equal(number, index + 1, `${log}: two wrote at once`);
      assert.ok(Number(fence) > last, `${log}: fence ${fence} after ${last}`);
      last = Number(fence);
      lines += 1;
    }
  }
  t.diagnostic(`${lines} grants, ${removals} removals`);
  assert.ok(lines > 40 && removals > 20, 'the run was one of sweeps and grants');

  await withWallClock(1e7 * day, () => sweep(locks));
  assert.deepEqual(await readdir(locks), []);
});
