/** The diagnostics channels. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, test } from 'node:test';
import { tryAcquire } from '../../src/api/acquire.js';
import { tell } from '../../src/base/events.js';
import { cut, ScriptedStore } from '../support/scripted-store.js';

const names = ['granted', 'refused', 'renewed', 'lost', 'released', 'store-error'];
let heard: [string, Record<string, unknown>][];
const listen = (message: unknown, name: string | symbol) =>
  heard.push([String(name), message as Record<string, unknown>]);

beforeEach(() => {
  heard = [];
  for (const name of names) subscribe(`dlock:${name}`, listen);
});
afterEach(() => {
  for (const name of names) unsubscribe(`dlock:${name}`, listen);
});

test('the life of a lease, from grant to release', async () => {
  const store = new ScriptedStore();
  store.answers.acquire = [
    { granted: true, fence: 7 },
    { granted: false, retryAfter: 50 },
  ];
  const lease = await tryAcquire(store, 'import');
  await tryAcquire(store, 'import');
  await lease?.extend(5_000);
  await lease?.release();
  assert.deepEqual(
    heard.map(([name]) => name),
    ['dlock:granted', 'dlock:refused', 'dlock:renewed', 'dlock:released'],
  );
  const [granted, refused, renewed, released] = heard.map(([, message]) => message);
  for (const message of [granted, renewed, released]) {
    assert.equal(message?.name, 'import');
    assert.equal(message?.fence, 7);
    assert.equal(message?.token, lease?.token.slice(0, 8));
    assert.equal(typeof message?.duration, 'number');
  }
  assert.equal(granted?.ttl, 30_000);
  assert.equal(refused?.retryAfter, 50);
  assert.equal(renewed?.ttl, 5_000);
  assert.equal(released?.after, 0);
  assert.ok(!JSON.stringify(heard).includes(lease?.token ?? ''), 'never the whole token');
});

test('trouble and loss', async () => {
  const store = new ScriptedStore();
  const lease = await tryAcquire(store, 'import');
  store.answers.extend = [cut, false];
  await lease?.extend().catch(() => {});
  await lease?.extend().catch(() => {});
  await lease?.release();
  const [, trouble, lost] = heard;
  assert.equal(trouble?.[0], 'dlock:store-error');
  assert.equal(trouble?.[1].operation, 'extend');
  assert.match(String(trouble?.[1].error), /the line is cut/);
  assert.equal(lost?.[0], 'dlock:lost');
  assert.match(String(lost?.[1].error), /not ours/);
});

test('nothing is computed while nobody listens', () => {
  for (const name of names) unsubscribe(`dlock:${name}`, listen);
  tell('lost', { name: 'import', token: 'a' }, () => assert.fail('computed'));
});
