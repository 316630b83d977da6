/** A time limit around a promise, and pauses that grow. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { useClock } from '../../src/base/clock.js';
import { growingPauses } from '../../src/base/pauses.js';
import { within } from '../../src/base/time-limit.js';
import { FakeClock } from '../support/fake-clock.js';

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

/** The timer that all alarms share goes off once more. */
async function leavesNoTimer(): Promise<void> {
  await clock.advance(1_000);
  assert.equal(clock.timers.size, 0);
}

test('what takes too long is an error that says what is missing', async () => {
  const rejected = assert.rejects(within(5_000, 'no answer', new Promise(() => {})), {
    message: 'no answer within 5000 ms',
  });
  await clock.advance(5_000);
  await clock.advance(1);
  await rejected;
  await leavesNoTimer();
});

test('an answer that came while the event loop was blocked is read, though its time is over', async () => {
  let answer = (_: number) => {};
  const result = within(5_000, 'no answer', new Promise<number>((resolve) => (answer = resolve)));
  clock.block(60_000);
  await clock.advance(0);
  answer(7);
  assert.equal(await result, 7);
  await leavesNoTimer();
});

test('what comes in time is passed on, and leaves no timer', async () => {
  assert.equal(await within(5_000, 'no answer', Promise.resolve(7)), 7);
  const failure = new Error('refused');
  await assert.rejects(within(5_000, 'no answer', Promise.reject(failure)), failure);
  await leavesNoTimer();
});

test('pauses double up to the longest, less a quarter at most', () => {
  const { value } = growingPauses(100, 40).next();
  assert.ok(value <= 40 && value >= 30, `${value} of 40`);
  const pauses = growingPauses(100, 1_000);
  for (const most of [100, 200, 400, 800, 1_000, 1_000]) {
    const { value } = pauses.next();
    assert.ok(value <= most && value >= most * 0.75, `${value} of ${most}`);
  }
});
