/** Longer lives: by extension and by renewal. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type Lease, LeaseLostError, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import {
  altered,
  assertFree,
  assertTaken,
  type Case,
  eventually,
  renewed,
  short,
  slack,
  takeWhenFree,
  thief,
} from './fixture.js';

export const extension: Case[] = [
  {
    title: 'an extension sets the whole ttl from now, up or down, and adds nothing',
    essential: true,
    async run({ store, other, lock, step }) {
      const life = Math.max(short, 2 * step);
      const lease = await tryAcquire(store, lock, { ttl: 5_000, renew: false });
      assert.ok(lease);
      await lease.extend(60_000);
      assert.ok(lease.remaining > 50_000 && lease.remaining <= 60_000);
      await lease.extend();
      assert.ok(lease.remaining > 50_000 && lease.remaining <= 60_000);
      await lease.extend(life);
      assert.ok(lease.remaining <= life);
      await takeWhenFree(other, lock, thief);
      assert.equal(lease.held, false);
      await other.release(lock, thief);
    },
  },
  {
    title: 'an extension after the expiry fails and creates nothing',
    essential: true,
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: short, renew: false });
      assert.ok(lease);
      await takeWhenFree(other, lock, thief);
      await other.release(lock, thief);
      await assert.rejects(lease.extend(), LeaseLostError);
      assert.equal(await store.extend(lock, lease.token, 60_000), false);
      await assertFree(other, lock);
    },
  },
  {
    title: 'an extension after a theft fails, and the thief notices nothing',
    essential: true,
    async run({ store, other, lock, step }) {
      const lease = await tryAcquire(store, lock, { ttl: 60_000 });
      assert.ok(lease);
      assert.equal(await other.release(lock, lease.token), true);
      assert.equal((await other.acquire(lock, thief, 20_000)).granted, true);
      await assert.rejects(lease.extend(), LeaseLostError);
      assert.equal(lease.held, false);
      assert.equal(lease.signal.aborted, true);
      const attempt = await store.acquire(lock, 'a'.repeat(32), 60_000);
      assert.equal(attempt.granted, false);
      if (!attempt.granted) assert.ok((attempt.retryAfter ?? 0) <= 20_000 + 3 * step);
      assert.equal(await other.release(lock, thief), true);
    },
  },
  {
    title: 'lost is final',
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock, { ttl: 60_000 });
      assert.ok(lease);
      await other.release(lock, lease.token);
      await assert.rejects(lease.extend(), LeaseLostError);
      await assert.rejects(lease.extend(), LeaseLostError);
      assert.throws(() => lease.assertHeld(), LeaseLostError);
      assert.equal(await lease.release(), false);
      await assertFree(other, lock);
    },
  },
  {
    title: 'renewal holds the lock well past several ttls',
    async run({ store, other, lock, step }) {
      const ttl = renewed({ step });
      const lease = await tryAcquire(store, lock, { ttl });
      assert.ok(lease);
      const end = performance.now() + 3 * (ttl + 2 * (step - 1));
      while (performance.now() < end) {
        await assertTaken(other, lock);
        assert.equal(lease.held, true);
        await delay(20);
      }
      assert.equal(lease.signal.aborted, false);
      assert.equal(await lease.release(), true);
    },
  },
  {
    title: 'renewal stops with the release, and with the loss',
    async run({ store, lock, step }) {
      const ttl = renewed({ step });
      for (const [end, expected] of [
        ['release', true],
        ['loss', false],
      ] as const) {
        let extensions = 0;
        const counted = altered(store, {
          extend(...request) {
            extensions += 1;
            return store.extend(...request);
          },
        });
        const lease = await tryAcquire(counted, lock + end, { ttl });
        assert.ok(lease);
        if (end === 'loss') {
          await store.release(lease.name, lease.token);
          await eventually('the loss is told', () => lease.signal.aborted);
        }
        assert.equal(await lease.release(), expected);
        const before = extensions;
        await delay(ttl / 2);
        assert.equal(extensions, before);
      }
    },
  },
  {
    title:
      'a release while a renewal is in flight leaves nothing, revives nothing, reports no loss',
    async run({ store, other, lock, step }) {
      const { slow, begun } = slowToExtend(store);
      const lease = await tryAcquire(slow, lock, { ttl: renewed({ step }) });
      assert.ok(lease);
      const { signal } = lease;
      await unlessLost(lease, begun);
      assert.equal(await lease.release(), true);
      await assertFree(other, lock);
      await delay(100);
      assert.equal(signal.aborted, false);
      await assertFree(other, lock);
    },
  },
  {
    title: 'left to lapse while a renewal is in flight, the lock lapses in time',
    async run({ store, other, lock, step }) {
      const { slow, begun } = slowToExtend(store);
      const lease = await tryAcquire(slow, lock, { ttl: 15_000 });
      assert.ok(lease);
      const extending = lease.extend().catch((error) => error);
      await unlessLost(lease, begun);
      assert.equal(await lease.release({ after: 200 }), true);
      await extending;
      const start = performance.now();
      await takeWhenFree(other, lock, thief);
      assert.ok(performance.now() - start < 200 + 3 * step + slack);
      await other.release(lock, thief);
    },
  },
  {
    title: 'an extension that fails is retried until the deadline, which stays as it was',
    async run({ store, other, lock, step }) {
      let failures = 2;
      const flaky = altered(store, {
        async extend(...request) {
          if (failures-- > 0) throw new Error('the line is cut');
          return store.extend(...request);
        },
      });
      const ttl = 2 * renewed({ step });
      const lease = await tryAcquire(flaky, lock, { ttl });
      assert.ok(lease);
      // The first renewal is due when a third is over.
      const isRenewed = () => failures < 0 && lease.remaining > 0.7 * ttl;
      await eventually('it is renewed after all', isRenewed);
      assert.equal(lease.signal.aborted, false);

      failures = 1;
      const before = lease.remaining;
      await assert.rejects(lease.extend(60_000), (error: Error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, /the line is cut/);
        return true;
      });
      assert.ok(lease.remaining <= before);
      await assertTaken(other, lock);
      assert.equal(await lease.release(), true);
    },
  },
  {
    title: 'a short ttl neither spins nor floods, even where nothing goes through',
    async run({ store, lock, step }) {
      let requests = 0;
      const failing = altered(store, {
        async extend() {
          requests += 1;
          throw new Error('the line is cut');
        },
      });
      const lease = await tryAcquire(failing, lock, { ttl: renewed({ step }) });
      assert.ok(lease);
      await eventually('the lease is lost', () => lease.signal.aborted);
      assert.ok(requests > 0 && requests <= 12, `${requests} requests`);
      await lease.release();
    },
  },
  {
    title: 'the lock stays taken for minHold, and no longer',
    async run({ store, other, lock, step }) {
      const minHold = 400;
      const start = performance.now();
      const lease = await tryAcquire(store, lock, { ttl: 60_000, minHold });
      assert.ok(lease);
      await lease.extend();
      assert.equal(await lease.release(), true);
      await takeWhenFree(other, lock, thief);
      const taken = performance.now() - start;
      assert.ok(taken >= minHold - 2 && taken < minHold + 3 * step + slack, `${taken} ms`);
      await other.release(lock, thief);
    },
  },
  {
    title: 'a release in time lets the lock lapse after that time',
    async run({ store, other, lock, step }) {
      const lease = await tryAcquire(store, lock, { ttl: 60_000 });
      assert.ok(lease);
      const start = performance.now();
      assert.equal(await lease.release({ after: 300 }), true);
      assert.equal(lease.held, false);
      await takeWhenFree(other, lock, thief);
      const taken = performance.now() - start;
      assert.ok(taken >= 298 && taken < 300 + 3 * step + slack, `${taken} ms`);
      await other.release(lock, thief);
    },
  },
];

/** Rejects if the lease is lost first: then what is awaited never comes. */
async function unlessLost({ signal }: Lease, awaited: Promise<void>): Promise<void> {
  const lost = once(signal, 'abort').then(() => Promise.reject(signal.reason));
  await Promise.race([awaited, lost]);
}

/** A store whose extensions take a while, and the moment at which the first of them begins. */
function slowToExtend(store: LockStore): { slow: LockStore; begun: Promise<void> } {
  let begin = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const slow = altered(store, {
    async extend(...request) {
      begin();
      await delay(50);
      return store.extend(...request);
    },
  });
  return { slow, begun };
}
