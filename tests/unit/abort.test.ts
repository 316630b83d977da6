/** One listener for each AbortSignal. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { onAbort } from '../../src/base/abort.js';

test('many wait on one signal by one listener, which goes with the last', () => {
  const { signal } = new AbortController();
  const stops = Array.from({ length: 1_000 }, () => onAbort(signal, () => {}));
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  for (const stop of stops) stop();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('all who still wait are called once, the others not', () => {
  const controller = new AbortController();
  const calls: string[] = [];
  onAbort(controller.signal, () => calls.push('one'));
  const stop = onAbort(controller.signal, () => calls.push('two'));
  stop();
  const stopLater = onAbort(controller.signal, () => {
    stopLater();
    calls.push('three');
  });
  controller.abort();
  assert.deepEqual(calls, ['one', 'three']);
});

test('an abort reaches waiters even where a listener of the caller stops the event', () => {
  const controller = new AbortController();
  controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
  let heard = false;
  onAbort(controller.signal, () => {
    heard = true;
  });
  controller.abort();
  assert.ok(heard);
});
