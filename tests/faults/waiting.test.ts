/** Wake-ups that are missed, and crowds as they look on the wire. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire } from 'dlock-js';
import { eventually, thief } from '../../src/testing/fixture.js';
import type { FaultyProxy } from '../support/proxy/faulty.js';
import { any, message } from '../support/proxy/protocol.js';
import { subscribe } from '../support/proxy/resp.js';
import { type StoreKind, setTheScene, storeKinds } from './kinds.js';

/** How late a missed wake-up may be noticed: a rest of three seconds, on a busy machine. */
const seconds = 6_000;

for (const kind of storeKinds) {
  describe(`${kind.name}, waiting`, { concurrency: true }, () => testWaiting(kind));
}

function testWaiting(kind: StoreKind): void {
  const { protocol, wakes, open } = kind;
  const scene = setTheScene(kind);

  /** Waits for a lock of another; once `ready`, that releases, and the waiter is served soon. */
  async function assertServedSoon(
    lock: string,
    proxy: FaultyProxy,
    ready: () => Promise<unknown>,
    then: () => void = () => {},
  ): Promise<void> {
    await using mine = await open(proxy.ports, { ttl: 60_000 });
    assert.equal((await scene.direct.acquire(lock, thief, 60_000)).granted, true);
    const waiting = acquire(mine.store, lock, { wait: 30_000 });
    await ready();
    assert.equal(await scene.direct.release(lock, thief), true);
    then();
    const start = performance.now();
    const lease = await waiting;
    const late = performance.now() - start;
    assert.ok(late < seconds, `${late} ms late`);
    assert.equal(await lease.release(), true);
  }

  test('all connections are cut while waiting: served within seconds', async () => {
    await using proxy = await scene.startProxy();
    const isAsking = () => proxy.count(wakes ? subscribe : protocol.acquire) > 0;
    await assertServedSoon('cut', proxy, async () => {
      await eventually('it waits', isAsking);
      // While the head rests: an attempt that is cut, and its repeat too, ends the wait by an error.
      await delay(300);
      proxy.cut();
    });
  });

  test('a thousand who wait send what one does, and all are served', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: 60_000 });
    await scene.direct.acquire('crowd', thief, 60_000);
    const waiting = Array.from({ length: 1_000 }, async () => {
      const lease = await acquire(mine.store, 'crowd');
      return lease.release();
    });
    await delay(2_000);
    const before = proxy.count(any);
    await delay(3_000);
    const commands = proxy.count(any) - before;
    assert.ok(commands <= 12, `${commands} commands in 3 s`);
    await scene.direct.release('crowd', thief);
    assert.ok((await Promise.all(waiting)).every(Boolean));
  });

  if (!wakes) return;

  test('cut after the refusal, before SUBSCRIBE is carried out', async () => {
    await using proxy = await scene.startProxy();
    const cut = proxy.cutBefore(subscribe);
    await assertServedSoon('cut before', proxy, () => cut);
  });

  test('cut before SUBSCRIBE is answered', async () => {
    await using proxy = await scene.startProxy();
    const cut = proxy.dropReply(subscribe);
    await assertServedSoon('reply dropped', proxy, () => cut);
  });

  test('released while SUBSCRIBE is on its way', async () => {
    await using proxy = await scene.startProxy();
    const holding = proxy.hold(subscribe);
    const letGo = () => void holding.then((held) => held.letGo());
    await assertServedSoon('on its way', proxy, () => holding, letGo);
  });

  test('SUBSCRIBE is never answered', async () => {
    await using proxy = await scene.startProxy();
    const holding = proxy.holdReply(subscribe);
    await assertServedSoon('never answered', proxy, () => holding);
  });

  test('subscribed, but the message never comes', async () => {
    await using proxy = await scene.startProxy();
    const holding = proxy.holdReply(message);
    await assertServedSoon('no message', proxy, async () => {
      await eventually('it subscribes', () => proxy.count(subscribe) > 0);
      await delay(300);
    });
    await holding;
  });
}
