/** When a process may end: nothing goes on by which it could still take a lock. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { settled } from '../../src/api/settled.js';
import { useClock } from '../../src/base/clock.js';
import type { Attempt, LockStore } from '../../src/store.js';
import type { MemoryStore } from '../../src/stores/memory.js';
import { QuorumStore } from '../../src/stores/quorum/quorum.js';
import { assertFree, thief } from '../../src/testing/fixture.js';
import { FakeClock } from '../support/fake-clock.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';
import { gated, memberIn, memories } from './stores/quorum-members.js';

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
function watchSettled(of: LockStore = store): () => boolean {
  let has = false;
  void settled(of).then(() => {
    has = true;
  });
  return () => has;
}

describe('settled', () => {
  test('at once where nothing was asked, and while a lease is held', async () => {
    assert.equal(await settled(store), true);
    const lease = await tryAcquire(store, 'import');
    assert.equal(await settled(store), true);
    assert.equal(lease?.held, true);
    await lease?.release();
    assert.equal(await settled(store, { wait: 0 }), true);
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

  describe('a quorum', () => {
    const lateIn = (memory: MemoryStore) => gated(memory, 'answers');

    test('when a grant that came after the refusal is given back', async () => {
      const [late, ...held] = memories(3);
      await Promise.all(held.map((member) => member.acquire('import', thief, 30_000)));
      const { member, open } = lateIn(late);
      const quorum = new QuorumStore([member, ...held]);
      assert.equal(await clock.passing(tryAcquire(quorum, 'import')), null);
      const hasSettled = watchSettled(quorum);
      await clock.advance(100);
      assert.equal(hasSettled(), false, 'the request is under way');
      open();
      await clock.advance(200);
      assert.equal(hasSettled(), true);
      await assertFree(late, 'import');
    });

    test('no longer than for any answer, where a member does not answer', async () => {
      const [silent, ...others] = memories(3);
      const quorum = new QuorumStore([memberIn('silent', silent), ...others]);
      const lease = await clock.passing(tryAcquire(quorum, 'import'));
      await clock.passing(lease?.release() ?? Promise.reject());
      const hasSettled = watchSettled(quorum);
      await clock.advance(1_999);
      assert.equal(hasSettled(), false);
      await clock.advance(1);
      assert.equal(hasSettled(), true);
    });

    test('in a quorum of quorums', async () => {
      const [late, ...held] = memories(3);
      await Promise.all(held.map((member) => member.acquire('import', thief, 30_000)));
      const { member, open } = lateIn(late);
      const quorum = new QuorumStore([new QuorumStore([member, ...held])]);
      assert.equal(await clock.passing(tryAcquire(quorum, 'import')), null);
      const hasSettled = watchSettled(quorum);
      await clock.advance(100);
      assert.equal(hasSettled(), false);
      open();
      await clock.advance(200);
      assert.equal(hasSettled(), true);
    });
  });

  test('waits no longer than it may, and says so', async () => {
    store.answers.acquire = [cut];
    store.answers.release = [cut];
    await assert.rejects(tryAcquire(store, 'import'));
    const outcome = settled(store, { wait: 2_000 });
    const hasSettled = watchSettled();
    await clock.advance(1_999);
    assert.equal(await Promise.race([outcome, 'waits']), 'waits');
    // Timers go off in whole milliseconds.
    await clock.advance(2);
    assert.equal(await outcome, false);
    assert.equal(hasSettled(), false);
  });

  test('checks what it is given', async () => {
    const wrong: [unknown, RegExp][] = [
      [{ wait: -1 }, /RangeError: wait of settled must be at least 0, not -1/],
      [{ wait: '1s' }, /TypeError: wait of settled must be a number of milliseconds, not "1s"/],
      [{ timeout: 1 }, /TypeError: Unknown option "timeout" of settled: it takes wait/],
    ];
    for (const [options, message] of wrong) {
      await assert.rejects(settled(store, options as object), (error) => {
        assert.match(String(error), message);
        return true;
      });
    }
    await assert.rejects(settled(undefined as never), {
      name: 'TypeError',
      message: /^The first argument must be a LockStore, .* not undefined$/,
    });
  });

  test('knows the stores apart', async () => {
    const other = new ScriptedStore();
    other.answers.acquire = [cut];
    other.answers.release = [cut];
    await assert.rejects(tryAcquire(other, 'import'));
    await settled(store);
  });
});

test('who waits for it keeps the process alive, and nobody else does', () => {
  const program = `
    import { settled, tryAcquire } from 'dlock-js';
    const fail = () => Promise.reject(new Error('down'));
    const store = { acquire: fail, extend: fail, release: fail, ttl: 300, timeout: 100 };
    const other = { ...store, ttl: 3_600_000 };
    for (const each of [store, other]) await tryAcquire(each, 'import').catch(() => {});
    console.log(await settled(store), await settled(other, { wait: 100 }));
  `;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  assert.deepEqual([status, stdout], [0, 'true false\n'], stderr);
});
