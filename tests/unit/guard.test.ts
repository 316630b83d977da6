/** The guard of the command: what it says of a lease in danger. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { acquire } from '../../src/api/acquire.js';
import { useClock } from '../../src/base/clock.js';
import { LeaseLostError } from '../../src/base/errors.js';
import { guard } from '../../src/cli/guard.js';
import { FakeClock } from '../support/fake-clock.js';
import { ScriptedStore } from '../support/scripted-store.js';

const ttl = 30_000;

let clock: FakeClock;
let store: ScriptedStore;
beforeEach(() => {
  clock = FakeClock.install();
  store = new ScriptedStore();
});
afterEach(() => useClock());

describe('guard', () => {
  test('a lease that ended while the process was stopped is lost, whoever looks first', async () => {
    const lease = await acquire(store, 'import');
    // Its alarm is the first to go off: it is set for before the end of the lease.
    const { danger } = guard(lease, ttl, 10_000);
    clock.block(ttl);
    await clock.advance(0);
    const told = await danger;
    assert.ok(told instanceof LeaseLostError, String(told));
    assert.equal(told.message, 'The lease on lock "import" is lost: its time ran out');
    assert.equal(lease.signal.reason, told);
  });

  test('a lease that cannot be renewed is in danger before it is lost', async () => {
    store.answers.extend = [new Error('down')];
    const lease = await acquire(store, 'import');
    const { danger, grace } = guard(lease, ttl, 5_000);
    assert.equal(await clock.passing(danger), 'unrenewed');
    assert.equal(lease.held, true);
    assert.equal(grace(), 5_000);
    clock.block(3_000);
    assert.ok(grace() < 3_000, 'less where it came to light late');
  });

  test('a lease that another has is lost at once', async () => {
    store.answers.extend = [false];
    const lease = await acquire(store, 'import');
    const { danger } = guard(lease, ttl, 5_000);
    const told = await clock.passing(danger);
    assert.ok(told instanceof LeaseLostError, String(told));
    assert.match(told.message, /the store says that it is not ours/);
  });
});
