/** Commands and replies that are lost, late or held back: a lease or no key, and nobody harmed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type Lease, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import { assertTaken, eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { type StoreKind, setTheScene, storeKinds } from './kinds.js';

for (const kind of storeKinds) {
  describe(`${kind.name}, what is lost on the way`, { concurrency: true }, () => testLosses(kind));
}

function testLosses(kind: StoreKind): void {
  const { protocol, step, queuesOffline, open } = kind;
  const scene = setTheScene(kind);

  /** No orphan: the lock can be taken long before the ttl of an hour has passed. */
  const hour = 3_600_000;
  const assertComesFree = async (lock: string) => {
    await takeWhenFree(scene.direct, lock, thief);
    assert.equal(await scene.direct.release(lock, thief), true);
  };
  /** A lease that is one for the others too, and whose release frees the lock; or nothing at all. */
  const assertLeaseOrNothing = async (lock: string, attempt: Promise<Lease | null>) => {
    const lease = await attempt.catch((error: unknown) => {
      assert.ok(error instanceof StoreError, String(error));
      return undefined;
    });
    assert.notEqual(lease, null, 'nobody else holds the lock');
    if (lease) {
      assert.equal(lease.held, true);
      await assertTaken(scene.direct, lock);
      await lease.release().catch((error) => assert.ok(error instanceof StoreError));
    }
    await assertComesFree(lock);
    return lease;
  };

  for (const [what, fault] of [
    ['carried out, its reply lost', 'dropReply'],
    ['cut before it was carried out', 'cutBefore'],
  ] as const) {
    for (const limit of kind.limits) {
      test(`an acquire of ${limit} ${what}: a lease`, async () => {
        await using proxy = await scene.startProxy();
        await using mine = await open(proxy.ports, { ttl: hour });
        const lock = `once ${what} ${limit}`;
        const struck = proxy[fault](protocol.acquire);
        const lease = await assertLeaseOrNothing(lock, tryAcquire(mine.store, lock, { limit }));
        await struck;
        assert.ok(lease, 'the repeat found the token');
        assert.ok(proxy.count(protocol.acquire) >= 2);
      });

      test(`an acquire of ${limit} ${what}, and its repeat too: nothing is left`, async () => {
        await using proxy = await scene.startProxy();
        await using mine = await open(proxy.ports, { ttl: hour });
        const lock = `twice ${what} ${limit}`;
        const struck = [proxy[fault](protocol.acquire), proxy[fault](protocol.acquire)];
        await assertLeaseOrNothing(lock, tryAcquire(mine.store, lock, { limit }));
        await Promise.all(struck);
      });
    }

    test(`a release ${what}: the next holder keeps the lock`, async () => {
      await using proxy = await scene.startProxy();
      await using mine = await open(proxy.ports, { ttl: hour });
      const lock = `release ${what}`;
      const lease = await tryAcquire(mine.store, lock);
      const struck = proxy[fault](protocol.release);
      await lease?.release().catch((error) => assert.ok(error instanceof StoreError));
      await struck;
      await takeWhenFree(scene.direct, lock, thief);
      await assertStaysHeld(scene.direct, lock, 500);
      assert.equal(await scene.direct.release(lock, thief), true);
    });

    test(`an extension ${what}: the lease is kept, and renewed`, async () => {
      await using proxy = await scene.startProxy();
      await using mine = await open(proxy.ports, { ttl: 3_000 });
      const lock = `extension ${what}`;
      const lease = await tryAcquire(mine.store, lock);
      assert.ok(lease);
      const struck = proxy[fault](protocol.extend);
      await struck;
      await delay(3_500);
      assert.equal(lease.held, true);
      await assertTaken(scene.direct, lock);
      assert.equal(await lease.release(), true);
    });
  }

  test('an acquire whose reply is lost, and the server out of reach then: undone once it is back', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour, timeout: 500 });
    const holding = proxy.holdReply(protocol.acquire);
    const failed = assert.rejects(tryAcquire(mine.store, 'out of reach'), StoreError);
    await holding;
    proxy.refuse();
    await failed;
    await assertTaken(scene.direct, 'out of reach');
    proxy.accept();
    await assertComesFree('out of reach');
  });

  test('an acquire that the client sends only once it is connected again is undone', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour, timeout: 2_000 });
    await (await tryAcquire(mine.store, 'offline'))?.release();
    proxy.refuse();
    // What fails with a connection, or with one that was tried, the client has given up.
    await eventually('the client keeps an acquire', async () => {
      const start = performance.now();
      const error: unknown = await tryAcquire(mine.store, 'offline').catch((error) => error);
      assert.ok(error instanceof StoreError, String(error));
      assert.ok(performance.now() - start < 10_000, 'within the timeout');
      return !queuesOffline || /no answer within/.test(error.message);
    });
    const before = proxy.count(protocol.acquire);
    proxy.accept();
    if (queuesOffline) {
      await eventually('it is sent', () => proxy.count(protocol.acquire) > before);
    }
    await assertComesFree('offline');
  });

  test('an acquire that arrives after the time-out, in a frozen network, is undone', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour, timeout: 500 });
    const holding = proxy.hold(protocol.acquire);
    const failed = assert.rejects(tryAcquire(mine.store, 'frozen'), /no answer within/);
    const held = await holding;
    await failed;
    const answering = proxy.holdReply(protocol.acquire);
    held.letGo();
    (await answering).letGo();
    await assertComesFree('frozen');
  });

  test('a grant that comes after its own deadline is no lease, and given back', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { timeout: 10_000 });
    const holding = proxy.holdReply(protocol.acquire);
    const attempt = tryAcquire(mine.store, 'late', { ttl: 200 });
    const held = await holding;
    await delay(250);
    held.letGo();
    await assert.rejects(attempt, /only after its ttl/);
    await assertComesFree('late');
  });

  test('a time-out that races the grant: a lease or no key', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour, timeout: 500 });
    const outcomes = { lease: 0, nothing: 0 };
    // From replies that surely come in time to those that surely do not, in small steps between.
    for (const ms of [0, 150, 300, 450, ...range(480, 510, 2), 550, 800]) {
      const lock = `time-out at ${ms}`;
      proxy.delay('replies', ms);
      const attempt = tryAcquire(mine.store, lock);
      // Releases are not to be late as well: they would time out, which is another test.
      void attempt.finally(() => proxy.delay('replies', 0)).catch(() => {});
      const lease = await assertLeaseOrNothing(lock, attempt);
      outcomes[lease ? 'lease' : 'nothing'] += 1;
    }
    assert.ok(outcomes.lease > 0 && outcomes.nothing > 0, JSON.stringify(outcomes));
  });

  test('an abort that races the grant: a lease or no key', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour });
    const outcomes = { lease: 0, nothing: 0 };
    proxy.delay('replies', 30);
    for (const ms of [0, 10, 20, ...range(24, 44, 1), 60, 500]) {
      const lock = `abort after ${ms}`;
      const signal = AbortSignal.timeout(ms);
      const lease = await tryAcquire(mine.store, lock, { signal }).catch((error) => {
        assert.equal(error, signal.reason);
      });
      outcomes[lease ? 'lease' : 'nothing'] += 1;
      assert.notEqual(lease, null);
      if (lease) assert.equal(await lease.release(), true);
      await assertComesFree(lock);
    }
    assert.ok(outcomes.lease > 0 && outcomes.nothing > 0, JSON.stringify(outcomes));
  });

  test('a wait that runs out while the lock is handed over: a lease or no key', async () => {
    await using proxy = await scene.startProxy();
    await using mine = await open(proxy.ports, { ttl: hour });
    const outcomes = { lease: 0, nothing: 0 };
    proxy.delay('replies', 20);
    for (const ms of range(300, 660, 20)) {
      const lock = `wait, freed after ${ms}`;
      assert.equal((await scene.direct.acquire(lock, thief, hour)).granted, true);
      const freed = delay(ms).then(() => scene.direct.release(lock, thief));
      const lease = await acquire(mine.store, lock, { wait: 500 }).catch((error) => {
        // A question that is open when the time is up may be the only one.
        assert.ok(['ERR_DLOCK_TIMEOUT', 'ERR_DLOCK_STORE'].includes(error.code), String(error));
      });
      outcomes[lease ? 'lease' : 'nothing'] += 1;
      if (lease) assert.equal(await lease.release(), true);
      assert.equal(await freed, true, 'the waiter did not disturb the holder');
      await assertComesFree(lock);
    }
    assert.ok(outcomes.lease > 0 && outcomes.nothing > 0, JSON.stringify(outcomes));
  });

  for (const operation of ['release', 'extend'] as const) {
    test(`an old holder's ${operation} that is held back until another holds harms nobody`, async () => {
      const ttl = 1_500;
      await using proxy = await scene.startProxy();
      await using mine = await open(proxy.ports, { ttl, timeout: 20_000 });
      const lock = `old ${operation}`;
      const lease = await tryAcquire(mine.store, lock, { renew: false });
      assert.ok(lease);
      const { signal } = lease;
      const holding = proxy.hold(protocol[operation]);
      const outcome = lease[operation]().then(
        (answer) => answer,
        (error) => error.code,
      );
      const held = await holding;
      await takeWhenFree(scene.direct, lock, thief);
      // A life that would be noticed if an old request had shortened it.
      assert.equal(await scene.direct.extend(lock, thief, hour), true);
      held.letGo();
      assert.equal(await outcome, operation === 'release' ? false : 'ERR_DLOCK_LEASE_LOST');
      assert.equal(signal.aborted, true);
      await assertStaysHeld(scene.direct, lock, ttl + 2 * step);
      assert.equal(await scene.direct.release(lock, thief), true);
    });
  }
}

/** For as long as that, the lock is the thief's. */
async function assertStaysHeld(store: LockStore, lock: string, ms: number): Promise<void> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await assertTaken(store, lock);
    await delay(20);
  }
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: (to - from) / step }, (_, index) => from + index * step);
}
