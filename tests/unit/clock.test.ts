/** The clock seam: moments on two clocks, and alarms. The rest shows in the tests of leases. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Alarm } from '../../src/base/alarm.js';
import { earliest, later, now, until, useClock } from '../../src/base/clock.js';
import { FakeClock } from '../support/fake-clock.js';

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
  alarm.set(later(now(), 100));
  alarm.set(later(now(), 300));
  await clock.advance(200);
  assert.equal(rings, 0);
  await clock.advance(100);
  assert.equal(rings, 1);
  alarm.set(later(now(), 100));
  alarm.cancel();
  await clock.advance(2_000);
  assert.equal(rings, 1);
  assert.equal(clock.timers.size, 0);
});

test('each alarm rings when it is due, whatever the order in which they were set', async () => {
  const rung: number[] = [];
  for (const ms of [1_500, 20, 700, 20, 5_000]) {
    new Alarm(() => rung.push(ms)).set(later(now(), ms));
  }
  await clock.advance(20);
  assert.deepEqual(rung, [20, 20]);
  await clock.advance(1_479);
  assert.deepEqual(rung, [20, 20, 700]);
  await clock.advance(1);
  assert.deepEqual(rung, [20, 20, 700, 1_500]);
  await clock.advance(3_500);
  assert.deepEqual(rung, [20, 20, 700, 1_500, 5_000]);
});

test('many alarms cost one timer', () => {
  for (let ms = 1; ms < 100; ms++) new Alarm(() => {}).set(later(now(), 20_000 / ms));
  assert.equal(clock.timers.size, 1);
});

test('an alarm rings within a second of waking where the machine slept', async () => {
  let rings = 0;
  new Alarm(() => {
    rings += 1;
  }).set(later(now(), 60_000));
  clock.suspend(60_000);
  await clock.advance(1_000);
  assert.equal(rings, 1);
});

test('so it does while others ring all the time', async () => {
  const often = new Alarm(() => often.setIn(70));
  often.setIn(70);
  let rings = 0;
  new Alarm(() => {
    rings += 1;
  }).set(later(now(), 60_000));
  await clock.advance(500);
  clock.suspend(60_000);
  await clock.advance(1_000);
  assert.equal(rings, 1);
});

test('an alarm beyond the longest timer rings when it is due', async () => {
  let rings = 0;
  const due = later(now(), 2 ** 32);
  new Alarm(() => {
    rings += 1;
  }).set(due);
  clock.block(2 ** 32 - 10);
  await clock.advance(9);
  assert.equal(rings, 0);
  await clock.advance(1);
  assert.equal(rings, 1);
});
