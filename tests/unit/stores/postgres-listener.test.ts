/** When the connection is opened by which PostgreSQL wakes waiting processes, and when it is reopened. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { useClock } from '../../../src/base/clock.js';
import { PostgresListener } from '../../../src/stores/postgres/listener.js';
import type { ListenerEvents, Way } from '../../../src/stores/postgres/session.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

test('an attempt to listen may throw before there is a connection: it is repeated, with pauses', async () => {
  let events: ListenerEvents | undefined;
  const attempts: number[] = [];
  const way: Way = {
    open(opened) {
      attempts.push(clock.monotonic());
      // Without pauses, a listener that always failed would never let this test end.
      if (attempts.length > 1 && attempts.length < 5) throw new Error('no certificate to be read');
      events = opened;
      return { listen: async () => {}, close() {} };
    },
    channels: ['mailbox'],
    notify: async (_channel, payload) => events?.heard(payload),
    timeout: 5_000,
  };
  const listener = new PostgresListener(way);
  let woken = 0;
  await listener.watch('import', () => {
    woken += 1;
  });
  await clock.advance(10_000);
  events?.lost();
  await settled();
  assert.equal(attempts.length, 2, 'one at once, since the last was long before');
  await clock.advance(60_000);
  assert.equal(attempts.length, 5);
  assert.equal(listener.mailbox, 'mailbox', 'it is proved');
  assert.ok(woken > 0);
  const pauses = attempts.slice(2).map((time, index) => time - Number(attempts[index + 1]));
  for (const pause of pauses) assert.ok(pause >= 500, `${pauses}`);
});
