/** MemcacheStore and the servers of its client: with several, a lock held on one is free on the next. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { MemcacheClient } from 'memcache-client';
import { tryAcquire } from '../../../src/api/acquire.js';
import { StoreError } from '../../../src/base/errors.js';
import { MemcacheStore } from '../../../src/stores/memcache.js';

type Server = ConstructorParameters<typeof MemcacheClient>[0]['server'];

const a = { server: '127.0.0.1:1' };
const b = { server: '127.0.0.1:2', maxConnections: 2 };

/** The forms in which the client takes its server, and one that its types alone have. */
const single: Server[] = [
  '127.0.0.1:1',
  a,
  b,
  { servers: [a] },
  { servers: [a, { ...a, maxConnections: 5 }] },
  { server: a, config: { retryFailedServerInterval: 1_000, failedServerOutTime: 1_000 } },
];
const several: Server[] = [
  { servers: [a, b] },
  { servers: [a, a, b] },
  {
    server: { servers: [a, b] },
    config: { retryFailedServerInterval: 1_000, failedServerOutTime: 1_000 },
  },
];

/** What was warned of while `action` ran. */
async function warningsOf(action: () => void): Promise<(Error & { code?: string })[]> {
  const warnings: Error[] = [];
  const listen = (warning: Error) => warnings.push(warning);
  process.on('warning', listen);
  action();
  // Warnings are emitted in the order in which they were made: this is the last.
  process.emitWarning('the last', { code: 'LAST' });
  while ((warnings.at(-1) as { code?: string })?.code !== 'LAST') await once(process, 'warning');
  process.off('warning', listen);
  return warnings.slice(0, -1);
}

test('a client of one server is taken in whatever form, without a warning', async () => {
  const warnings = await warningsOf(() => {
    for (const server of single) new MemcacheStore(new MemcacheClient({ server }));
  });
  assert.deepEqual(warnings, []);
});

test('a client of several servers is refused', () => {
  for (const server of several) {
    assert.throws(() => new MemcacheStore(new MemcacheClient({ server })), {
      name: 'TypeError',
      message: /^MemcacheStore needs a client of one server, not [23]: .*QuorumStore/,
    });
  }
});

test('a server that was added later is found by the next attempt, before any request', async () => {
  const servers = [a];
  const store = new MemcacheStore(new MemcacheClient({ server: { servers } }));
  servers.push(b);
  await assert.rejects(tryAcquire(store, 'import'), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /needs a client of one server, not 2/);
    return true;
  });
});

test('a client that does not tell its servers is warned of', async () => {
  for (const options of [undefined, {}, { server: undefined }, { server: { servers: [] } }]) {
    const warnings = await warningsOf(() => {
      const client = new MemcacheClient({ server: a });
      new MemcacheStore(Object.assign(client, { options }));
    });
    assert.deepEqual(
      warnings.map(({ name, code }) => [name, code]),
      [['DlockWarning', 'DLOCK_SERVERS_UNKNOWN']],
    );
  }
});
