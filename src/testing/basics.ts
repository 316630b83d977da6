/** Taking and giving back. */
import assert from 'node:assert/strict';
import { tryAcquire } from 'dlock-js';
import { assertFree, assertTaken, type Case, thief } from './fixture.js';

export const basics: Case[] = [
  {
    title: 'a free lock is taken, and free again after the release',
    essential: true,
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock);
      assert.ok(lease);
      assert.equal(lease.name, lock);
      assert.match(lease.token, /^[0-9a-f]{32}$/);
      assert.equal(lease.held, true);
      await assertTaken(other, lock);
      assert.equal(await lease.release(), true);
      assert.equal(lease.held, false);
      assert.equal(lease.remaining, 0);
      await assertFree(other, lock);
    },
  },
  {
    title: 'two names are independent',
    async run({ store, other, lock }) {
      const one = await tryAcquire(store, `${lock} one`);
      const two = await tryAcquire(other, `${lock} two`);
      assert.ok(one && two);
      assert.equal(await one.release(), true);
      assert.equal(two.held, true);
      await assertTaken(store, two.name);
      await two.release();
    },
  },
  {
    title: 'a second holder is refused, and that changes neither the holder nor its life',
    essential: true,
    async run({ store, other, lock, step }) {
      const ttl = 10_000;
      const lease = await tryAcquire(store, lock, { ttl, renew: false });
      assert.ok(lease);
      const lives: number[] = [];
      for (let attempt = 0; attempt < 5; attempt++) {
        const answer = await other.acquire(lock, thief, 3_600_000);
        assert.equal(answer.granted, false);
        if (!answer.granted && answer.retryAfter !== undefined) lives.push(answer.retryAfter);
      }
      for (const life of lives) assert.ok(life > 0 && life <= ttl + 2 * step, `${life} of ${ttl}`);
      assert.equal(await store.extend(lock, lease.token, ttl), true);
      await lease.release();
    },
  },
  {
    title: 'not reentrant: who holds the lock is refused like anybody else',
    async run({ store, lock }) {
      const lease = await tryAcquire(store, lock);
      assert.equal(await tryAcquire(store, lock), null);
      assert.equal(await lease?.release(), true);
    },
  },
  {
    title: 'taken again at once after a release, ten times',
    async run({ store, other, lock }) {
      for (let round = 0; round < 10; round++) {
        const lease = await tryAcquire(round % 2 ? store : other, lock);
        assert.ok(lease, `round ${round}`);
        assert.equal(await lease.release(), true);
      }
    },
  },
  {
    title: 'released twice: harmless, and the next holder keeps the lock',
    async run({ store, other, lock }) {
      const first = await tryAcquire(store, lock);
      assert.equal(await first?.release(), true);
      const second = await tryAcquire(other, lock);
      assert.ok(second);
      assert.equal(await first?.release(), true, 'answers what the first call did');
      await first?.[Symbol.asyncDispose]();
      assert.equal(await store.release(lock, first?.token ?? ''), false);
      await assertTaken(store, lock);
      assert.equal(await second.release(), true);
    },
  },
  {
    title: 'disposal releases, and more than once is harmless',
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock);
      await lease?.[Symbol.asyncDispose]();
      await lease?.[Symbol.asyncDispose]();
      await assertFree(other, lock);
    },
  },
  {
    title: 'of many attempts at the same moment one wins',
    essential: true,
    async run({ store, other, lock }) {
      const attempts = Array.from({ length: 20 }, (_, index) =>
        tryAcquire(index % 2 ? store : other, lock),
      );
      const leases = (await Promise.all(attempts)).filter((lease) => lease !== null);
      assert.equal(leases.length, 1);
      assert.equal(await leases[0]?.release(), true);
    },
  },
  {
    title: 'a token that holds the lock is granted again, with the same fence',
    essential: true,
    async run({ store, other, lock, fence }) {
      const first = await store.acquire(lock, 'a'.repeat(32), 60_000);
      const again = await other.acquire(lock, 'a'.repeat(32), 60_000);
      assert.ok(first.granted && again.granted);
      assert.equal(again.fence, first.fence);
      assert.equal(first.fence !== undefined, fence);
      assert.equal(await store.release(lock, 'a'.repeat(32)), true);
    },
  },
  {
    title: 'tokens that differ in one digit are two holders',
    async run({ store, other, lock }) {
      const holder = 'c'.repeat(32);
      assert.equal((await store.acquire(lock, holder, 60_000)).granted, true);
      for (const place of [0, 15, 31]) {
        const alike = `${holder.slice(0, place)}d${holder.slice(place + 1)}`;
        assert.equal((await other.acquire(lock, alike, 60_000)).granted, false, alike);
        assert.equal(await other.extend(lock, alike, 60_000), false, alike);
        assert.equal(await other.release(lock, alike), false, alike);
      }
      assert.equal(await store.release(lock, holder), true);
    },
  },
  {
    title: 'only the owner extends or releases, and a free lock stays free',
    essential: true,
    async run({ store, lock }) {
      assert.equal(await store.extend(lock, thief, 60_000), false);
      assert.equal(await store.release(lock, thief), false);
      await assertFree(store, lock);
      const lease = await tryAcquire(store, lock);
      assert.equal(await store.extend(lock, thief, 60_000), false);
      assert.equal(await store.release(lock, thief), false);
      await assertTaken(store, lock);
      assert.equal(await lease?.release(), true);
    },
  },
  {
    title: 'fences strictly grow from holder to holder, or there are none',
    essential: true,
    async run({ store, other, lock, fence }) {
      let last = 0;
      for (let round = 0; round < 10; round++) {
        const lease = await tryAcquire(round % 2 ? store : other, lock);
        assert.ok(lease);
        if (fence) {
          assert.ok(
            Number.isSafeInteger(lease.fence) && Number(lease.fence) > last,
            `${lease.fence}`,
          );
          last = Number(lease.fence);
        } else {
          assert.equal(lease.fence, undefined);
        }
        await lease.release();
      }
    },
  },
];
