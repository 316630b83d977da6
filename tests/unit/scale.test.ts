/** What a fleet costs its store, by the core itself and by the model of docs/scale.md. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { useClock } from '../../src/base/clock.js';
import { idle, loop } from '../scale/fleet.js';
import { idleInQueue, idlePolling, requestsASection } from '../scale/model.js';

afterEach(() => useClock());

function assertNear(found: number, model: number): void {
  assert.ok(Math.abs(found - model) <= 0.2 * model, `${found}, by the model ${model}`);
}

describe('scale: a store that keeps a queue', () => {
  for (const processes of [1, 2, 16, 200]) {
    test(`processes that loop over a lock, ${processes} of them: the same requests and messages a section`, async () => {
      const { requests, messages, sections } = await loop(processes, 'queue');
      assertNear(requests / sections, requestsASection(processes));
      assert.ok(messages <= 3.1 * sections, `${messages / sections}`);
    });
  }

  for (const processes of [1, 10, 100, 1_000]) {
    test(`processes that wait for one that holds the lock, ${processes} of them: a few requests a second`, async () => {
      const seconds = 300;
      const { requests } = await idle(processes + 1, 'queue', seconds);
      assertNear(requests / seconds, idleInQueue(processes));
      assert.ok(requests <= 10 * seconds);
    });
  }
});

describe('scale: a store that wakes nobody', () => {
  test('processes that wait for one that holds the lock, 50 of them: each asks about once a second', async () => {
    const { requests } = await idle(51, 'poll', 60);
    assertNear(requests / 60, idlePolling(50));
  });
});
