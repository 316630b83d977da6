/** The clock seam: moments on two clocks, and alarms. The rest shows in the tests of leases. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { Alarm, earliest, later, now, until, useClock } from '../../src/clock.js';
import { FakeClock } from './fake-clock.js';

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

test('the clock that ran further counts', () => {
  const moment = later(now(), 1_000);
  assert.equal(until(moment), 1_000);
  clock.block(300);
  assert.equal(until(moment), 700);
  clock.step(200);
  assert.equal(until(moment), 500);
  clock.step(-5_000);
  assert.equal(until(moment), 700);
});

test('the earliest of two moments is that of each clock', () => {
  const one = { monotonic: 1, wall: 20 };
  assert.deepEqual(earliest(one, { monotonic: 2, wall: 10 }), { monotonic: 1, wall: 10 });
});

test('an alarm rings once, can be moved, and can be cancelled', async () => {
  let rings = 0;
  const alarm = new Alarm(() => {
    rings += 1;
  });
  alarm.set(100);
  alarm.set(300);
  await clock.advance(200);
  assert.equal(rings, 0);
  await clock.advance(100);
  assert.equal(rings, 1);
  alarm.set(100);
  alarm.cancel();
  await clock.advance(2_000);
  assert.equal(rings, 1);
  assert.equal(clock.timers.size, 0);
});

test('an alarm beyond the longest timer rings early, to be set again', async () => {
  const alarm = new Alarm(() => {});
  alarm.set(2 ** 40);
  assert.ok([...clock.timers].every(({ at }) => at - clock.monotonic() < 2 ** 31));
  alarm.cancel();
});

test('who waits for a lock keeps the process alive, and is told', async () => {
  const script = `
    import { acquire } from './src/index.ts';
    import { MemoryStore } from './src/stores/memory.ts';
    const store = new MemoryStore();
    await store.acquire('import', 'somebody', 60_000);
    const silent = { acquire: () => new Promise(() => {}), extend() {}, release() {}, timeout: 300 };
    acquire(store, 'import', { wait: 300 }).catch((error) => console.log(error.code));
    acquire(silent, 'import').catch((error) => console.log(error.code));
  `;
  const run = promisify(execFile);
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { timeout: 20_000 });
  assert.deepEqual(stdout.trim().split('\n').sort(), ['ERR_DLOCK_STORE', 'ERR_DLOCK_TIMEOUT']);
});

test('no timer keeps a process alive', async () => {
  const script = `
    import { tryAcquire } from './src/index.ts';
    import { MemoryStore } from './src/stores/memory.ts';
    const lease = await tryAcquire(new MemoryStore(), 'import');
    console.log(lease.held, process.getActiveResourcesInfo().includes('Timeout'));
  `;
  const run = promisify(execFile);
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout, stderr } = await run(process.execPath, args, { timeout: 20_000 });
  assert.equal(stdout, 'true false\n');
  assert.equal(stderr, '');
});
