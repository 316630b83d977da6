/** Async context: every caller's requests, events and abort listeners see that caller's values alone. */
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, test } from 'node:test';
import { acquire, tryAcquire } from '../../src/api/acquire.js';
import { locked } from '../../src/api/locked.js';
import type { LockStore } from '../../src/store.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { settled } from '../support/fake-clock.js';

const requests = new AsyncLocalStorage<string>();

interface Request {
  readonly operation: string;
  readonly token: string;
  readonly context: string | undefined;
}

/** A store that notes what it is asked, and in whose context. */
function recordingStore(seen: Request[]): LockStore {
  const memory = new MemoryStore();
  const noting =
    <A extends [string, string, ...unknown[]], T>(operation: string, ask: (...request: A) => T) =>
    (...request: A): T => {
      seen.push({ operation, token: request[1], context: requests.getStore() });
      return ask(...request);
    };
  return altered(memory, {
    acquire: noting('acquire', memory.acquire.bind(memory)),
    extend: noting('extend', memory.extend.bind(memory)),
    release: noting('release', memory.release.bind(memory)),
  });
}

describe('the context of a caller', () => {
  test('is that of all that is asked for it, also when another caller made way', async () => {
    const seen: Request[] = [];
    const store = recordingStore(seen);
    const callers = new Map<string, string>();
    const caller = (name: string) =>
      requests.run(name, async () => {
        const lease = await acquire(store, 'import', { ttl: 1_500 });
        callers.set(lease.token, name);
        const isRenewal = ({ operation, token }: Request) =>
          operation === 'extend' && token === lease.token;
        await eventually('it is renewed', () => seen.some(isRenewal));
        await lease.release();
      });
    await Promise.all(['A', 'B', 'C'].map(caller));
    assert.equal(callers.size, 3);
    for (const { token, context } of seen) {
      // A refused attempt has a token that no lease has.
      assert.ok(['A', 'B', 'C'].includes(callers.get(token) ?? context ?? 'nobody'));
      if (callers.has(token)) assert.equal(context, callers.get(token));
    }
  });

  test('is that of its events, and of the listeners to its signal, whoever notices a loss', async () => {
    const heard: unknown[] = [];
    const listen = (message: unknown) => {
      const { token } = message as { token: string };
      heard.push([token, requests.getStore()]);
    };
    const channels = ['granted', 'renewed', 'lost'].map((event) => `dlock:${event}`);
    for (const channel of channels) subscribe(channel, listen);
    try {
      const store = new MemoryStore();
      const aborted = new Map<string, string | undefined>();
      const take = (name: string) =>
        requests.run(name, async () => {
          const lease = await tryAcquire(store, name, { ttl: 1_500 });
          assert.ok(lease);
          lease.signal.addEventListener('abort', () => aborted.set(name, requests.getStore()));
          return lease;
        });
      const leases = [await take('A'), await take('B')];
      const renewed = (count: number) => () => heard.length >= count;
      await eventually('both are renewed', renewed(6));
      for (const { name, token } of leases) await store.release(name, token);
      await eventually('both are lost', () => requests.run('C', () => aborted.size === 2));
      assert.deepEqual(
        [...aborted],
        [...aborted.keys()].map((name) => [name, name]),
      );
      for (const { name, token } of leases) {
        const ours = heard.filter((each) => (each as string[])[0] === token.slice(0, 8));
        assert.ok(ours.length >= 3);
        for (const each of ours) assert.equal((each as string[])[1], name);
      }
    } finally {
      for (const channel of channels) unsubscribe(channel, listen);
    }
  });

  test('is that of whoever holds the lease, when somebody else looks at it too late', async () => {
    const store = new MemoryStore();
    let heard: string | undefined = 'nobody';
    const lease = await requests.run('A', async () => {
      const lease = await tryAcquire(store, 'import', { ttl: 300, renew: false });
      assert.ok(lease);
      lease.signal.addEventListener('abort', () => {
        heard = requests.getStore();
      });
      return lease;
    });
    requests.run('B', () => {
      // No timer goes off meanwhile.
      while (lease.held);
    });
    await eventually('it is lost', () => heard !== 'nobody');
    assert.equal(heard, 'A');
  });

  test('is not kept alive by what others share', async () => {
    assert.ok(globalThis.gc, 'run with --expose-gc');
    const storage = new AsyncLocalStorage<object>();
    const store = new MemoryStore();
    const holder = await acquire(store, 'import');
    /** A request that waits first, is served or gives up, and is over. */
    const request = async (wait: number, serve: () => Promise<unknown>) => {
      const values = { of: 'a finished request' };
      await storage.run(values, async () => {
        const waiting = locked(store, 'import', () => {}, { wait });
        await settled();
        await Promise.all([waiting, serve()]);
      });
      return new WeakRef(values);
    };
    const refused = await request(20, async () => {});
    // Others join the line before the first is served, so that it goes on without a break.
    const others: Promise<unknown>[] = [];
    const served = await request(60_000, async () => {
      others.push(storage.exit(() => acquire(store, 'import')));
      others.push(storage.exit(() => acquire(store, 'import')));
      await storage.exit(() => holder.release());
    });
    const forever = (await others[0]) as Awaited<ReturnType<typeof acquire>>;
    await eventually('the values are collected', async () => {
      globalThis.gc?.();
      await settled();
      return refused.deref() === undefined && served.deref() === undefined;
    });
    assert.equal(forever.held, true);
    await forever.release();
    await ((await others[1]) as Awaited<ReturnType<typeof acquire>>).release();
  });
});
