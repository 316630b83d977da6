/** Requests that leave together: how often a stream is written to, and when. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { corkForNow } from '../../../src/stores/cork.js';
import { settled } from '../../support/fake-clock.js';

/** A stream that notes how many bytes each of its writes had. */
function counting() {
  const writes: number[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: string, _, done) {
      writes.push(chunk.length);
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.reduce((sum, { chunk }) => sum + chunk.length, 0));
      done();
    },
  });
  const send = (bytes: number) => {
    corkForNow(stream);
    stream.write('x'.repeat(bytes));
  };
  return { writes, stream, send };
}

test('what is sent in one turn of the loop is one write, and what comes later another', async () => {
  const { writes, stream, send } = counting();
  for (let count = 0; count < 10; count++) send(100);
  assert.deepEqual(writes, [], 'not before the turn is over');
  await settled();
  send(7);
  await settled();
  assert.deepEqual(writes, [1_000, 7]);
  assert.equal(stream.writableCorked, 0);
});

test('of much, what fills a packet goes ahead', async () => {
  const { writes, stream, send } = counting();
  for (let count = 0; count < 10; count++) send(1_000);
  assert.deepEqual(writes, [5_000]);
  await settled();
  assert.deepEqual(writes, [5_000, 5_000]);
  assert.equal(stream.writableCorked, 0);
});

test('a stream that its owner has corked is left to the owner', async () => {
  const { writes, stream, send } = counting();
  stream.cork();
  send(100);
  await settled();
  assert.deepEqual(writes, []);
  stream.uncork();
  assert.deepEqual(writes, [100]);
});
