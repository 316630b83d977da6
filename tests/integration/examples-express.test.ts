/** The example of Express does what it says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildApp, type Payments } from '../../examples/express-idempotent.js';
import { subscribe } from '../../src/base/events.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { twoStores } from './two-stores.js';

describe('the payments that are made once', () => {
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  /** The URL of an app on a port of its own. */
  async function listen(...built: Parameters<typeof buildApp>): Promise<string> {
    const server = createServer(buildApp(...built)).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/payments`;
  }

  const pay = (url: string, key: string, signal: AbortSignal | null = null) => {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key };
    return fetch(url, { method: 'POST', headers, body: '{"amount":42}', signal });
  };

  /** What two servers share; `make` waits for what it is told to. */
  function sharedPayments(until: () => Promise<unknown> = async () => {}) {
    const made: string[] = [];
    const kept = new Map<string, object>();
    const payments: Payments = {
      find: async (key) => kept.get(key),
      async make(key, order, signal) {
        made.push(key);
        await until();
        signal.throwIfAborted();
        kept.set(key, { key, order });
        return { key, order };
      },
    };
    return { made, payments };
  }

  test('a request that is sent again while the first is under way, to another server', async () => {
    const { made, payments } = sharedPayments(() => sleep(300));
    const urls = await Promise.all(twoStores().map((store) => listen(store, payments)));
    const replies = await Promise.all([...urls, ...urls].map((url) => pay(url, 'a')));
    const paid = { key: 'a', order: { amount: 42 } };
    for (const reply of replies) assert.deepEqual(await reply.json(), paid);
    assert.deepEqual(made, ['a']);
    // Another one is another payment.
    assert.equal((await pay(urls[0] ?? '', 'b')).status, 200);
    assert.deepEqual(made, ['a', 'b']);
  });

  test('a client that hangs up does not wait, and what has begun is made', async () => {
    let begun = false;
    let go = false;
    const { made, payments } = sharedPayments(() => {
      begun = true;
      return eventually('it may go on', () => go, 60_000);
    });
    const urls = await Promise.all(twoStores().map((store) => listen(store, payments)));
    const [url = '', other = ''] = urls;
    const told: string[] = [];
    const unsubscribes = [
      subscribe('refused', ({ name }) => told.push(`${name} refused`)),
      subscribe('abandoned', ({ name, reason }) => told.push(`${name} abandoned: ${reason}`)),
    ];
    const hangUp = new AbortController();
    const first = pay(url, 'c', hangUp.signal);
    await eventually('it has begun', () => begun);
    const second = pay(other, 'c', hangUp.signal);
    await eventually('the second waits', () => told.includes('payment c refused'));
    hangUp.abort();
    await assert.rejects(first, { name: 'AbortError' });
    await assert.rejects(second, { name: 'AbortError' });
    await eventually('it waits no longer', () => told.includes('payment c abandoned: abort'));
    for (const unsubscribe of unsubscribes) unsubscribe();
    const third = pay(url, 'c');
    go = true;
    assert.equal((await third).status, 200);
    assert.deepEqual(made, ['c']);
  });

  test('an outage says when to come again, a fault of ours does not', async (t) => {
    t.mock.method(console, 'error', () => {}); // Express tells it there
    const { payments } = sharedPayments(async () => {
      throw new Error('the bank is closed');
    });
    const failing = altered(new MemoryStore(), {
      acquire: async () => {
        throw new Error('connection refused');
      },
    });
    const outage = await pay(await listen(failing, payments), 'd');
    assert.deepEqual([outage.status, outage.headers.get('Retry-After')], [503, '5']);
    assert.doesNotMatch(await outage.text(), /refused/);
    const fault = await pay(await listen(new MemoryStore(), payments), 'd');
    assert.deepEqual([fault.status, fault.headers.get('Retry-After')], [500, null]);
  });

  test('a request without a key is refused', async () => {
    const { made, payments } = sharedPayments();
    const url = await listen(new MemoryStore(), payments);
    assert.equal((await fetch(url, { method: 'POST' })).status, 400);
    assert.deepEqual(made, []);
  });
});
