/** What a quorum does in the background for several callers: each in its own async context. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, test } from 'node:test';
import { tryAcquire } from '../../../src/api/acquire.js';
import { useClock } from '../../../src/base/clock.js';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { altered, assertFree } from '../../../src/testing/fixture.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { cut } from '../../support/scripted-store.js';
import { gated, memories, token } from './quorum-members.js';

const ttl = 3_600_000;
const caller = new AsyncLocalStorage<{ name: string }>();

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

/** Takes the lock that is named as the caller, and gives it back. */
function cycle(store: QuorumStore, name: string): Promise<void> {
  return caller.run({ name }, async () => {
    const lease = await tryAcquire(store, name, { ttl });
    assert.equal(await clock.passing(lease?.release() ?? assert.fail()), true);
  });
}

test('quorum: what could not be released is released in the context of its own caller', async () => {
  const [one, two, three] = memories(3);
  const requests: [string, string | undefined][] = [];
  let isDown = true;
  const flaky = altered(three, {
    async release(name, token) {
      requests.push([name, caller.getStore()?.name]);
      if (isDown) throw cut;
      return three.release(name, token);
    },
  });
  const store = new QuorumStore([one, two, flaky]);
  for (const name of ['a', 'b', 'c']) await cycle(store, name);
  await clock.advance(20_000);
  isDown = false;
  await clock.advance(20_000);
  assert.ok(requests.length > 6);
  for (const [name, context] of requests) assert.equal(context, name);
  for (const name of ['a', 'b', 'c']) await assertFree(three, name);
});

test('quorum: so is a grant that comes after its release, and a vote given again', async () => {
  const [one, two, three] = memories(3);
  const { member, open } = gated(three, 'requests');
  const contexts: (string | undefined)[] = [];
  const heard = altered(member, {
    acquire(...request) {
      contexts.push(caller.getStore()?.name);
      return member.acquire(...request);
    },
    release(...request) {
      contexts.push(caller.getStore()?.name);
      return member.release(...request);
    },
  });
  for (const store of [one, two]) await store.acquire('import', token, ttl);
  const store = new QuorumStore([one, two, heard]);
  await caller.run({ name: 'a' }, async () => {
    assert.equal(await store.extend('import', token, ttl), true);
    await clock.passing(store.release('import', token));
  });
  open();
  await clock.advance(1_000);
  assert.ok(contexts.length >= 3);
  assert.ok(contexts.every((context) => context === 'a'));
  await assertFree(three, 'import');
});

test('quorum: a finished caller is not kept alive by what goes on for another', async () => {
  assert.ok(globalThis.gc, 'run with --expose-gc');
  const [one, two, three] = memories(3);
  let failures = 3;
  const flaky = altered(three, {
    async release(name, token) {
      if (name === 'other' || failures-- > 0) throw cut;
      return three.release(name, token);
    },
  });
  const store = new QuorumStore([one, two, flaky]);
  const finish = async () => {
    const context = { name: 'finished' };
    const lease = await caller.run(context, () => tryAcquire(store, 'import', { ttl }));
    await caller.run(context, () => clock.passing(lease?.release() ?? assert.fail()));
    return new WeakRef(context);
  };
  const finished = await finish();
  await cycle(store, 'other');
  await clock.advance(120_000);
  assert.ok(failures < 0, 'it was given back, though the other cannot be');
  // To look at a weak reference is to hold it until the end of the turn: so look in another one.
  for (let round = 0; round < 5; round++) {
    globalThis.gc();
    await settled();
  }
  assert.equal(finished.deref(), undefined);
  assert.ok(clock.timers.size > 0, 'the other is still worked for');
});
