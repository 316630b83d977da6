/** When a process may end: nothing goes on by which it could still take a lock. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { settled } from '../../src/api/settled.js';
import { useClock } from '../../src/base/clock.js';
import type { Attempt } from '../../src/store.js';
import { FakeClock } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';

let clock: FakeClock;
let store: ScriptedStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => useClock());

const shutdown = new Error('shutdown');

/** An answer that comes when the test says so. */
function later<T>() {
  let give = (_: T) => {};
  const answer = new Promise<T>((resolve) => {
    give = resolve;
  });
  return { answer, give };
}

/** Tells, at any time, whether the store has settled. */
function watchSettled(): () => boolean {
  let has = false;
  void settled(store).then(() => {
    has = true;
  });
  return () => has;
}

describe('settled', () => {
  test('at once where nothing was asked, and while a lease is held', async () => {
    await settled(store);
    const lease = await tryAcquire(store, 'import');
    await settled(store);
    assert.equal(lease?.held, true);
    await lease?.release();
    await settled(store);
  });

  for (const [what, ask] of [
    ['an attempt', tryAcquire],
    ['a wait', acquire],
  ] as const) {
    test(`after ${what} was aborted: when what it got in the end is given back`, async () => {
      const granted = later<Attempt>();
      const released = later<boolean>();
      store.answers.acquire = [granted.answer];
      store.answers.release = [() => released.answer];
      const controller = new AbortController();
      const asked = ask(store, 'import', { signal: controller.signal });
      await clock.advance(0);
      controller.abort(shutdown);
      await assert.rejects(asked, shutdown);
      const hasSettled = watchSettled();
      await clock.advance(10);
      assert.equal(hasSettled(), false, 'the request is under way');
      granted.give({ granted: true });
      await clock.advance(10);
      assert.equal(hasSettled(), false, 'the release is under way');
      released.give(true);
      await clock.advance(200);
      assert.equal(hasSettled(), true);
    });
  }

  test('after a store failed: when it can be told, or its ttl has passed', async () => {
    store.answers.acquire = [cut];
    store.answers.release = [cut];
    await assert.rejects(tryAcquire(store, 'import', { ttl: 60_000 }));
    const hasSettled = watchSettled();
    await clock.advance(30_000);
    assert.equal(hasSettled(), false);
    await clock.advance(300_000);
    assert.equal(hasSettled(), true);
    assert.equal(clock.timers.size, 0, 'nothing is left behind');
  });

  test('knows the stores apart', async () => {
    const other = new ScriptedStore();
    other.answers.acquire = [cut];
    other.answers.release = [cut];
    await assert.rejects(tryAcquire(other, 'import'));
    await settled(store);
  });
});

test('who waits for it keeps the process alive', () => {
  const program = `
    import { settled, tryAcquire } from 'dlock-js';
    const fail = () => Promise.reject(new Error('down'));
    const store = { acquire: fail, extend: fail, release: fail, ttl: 300, timeout: 100 };
    await tryAcquire(store, 'import').catch(() => {});
    await settled(store);
    process.stdout.write('settled');
  `;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  assert.deepEqual([status, stdout], [0, 'settled'], stderr);
});
