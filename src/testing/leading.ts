/** Leading: one term after the other, through losses and outages. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type Lease, type LockStore, lead, tryAcquire } from 'dlock-js';
import {
  altered,
  assertFree,
  assertTaken,
  type Case,
  eventually,
  short,
  slack,
  thief,
} from './fixture.js';

/** The lock is taken away behind the leader's back, and the leader notices. */
async function takeAway(other: LockStore, lease: Lease): Promise<void> {
  assert.equal(await other.release(lease.name, lease.token), true);
  await assert.rejects(lease.extend(), { code: 'ERR_DLOCK_LEASE_LOST' });
  assert.equal(lease.signal.aborted, true);
}

export const leading: Case[] = [
  {
    title: 'one leads at a time; when its body returns, it has resigned, and another leads',
    essential: true,
    async run({ store, other, lock }) {
      const leases: Lease[] = [];
      let bodies = 0;
      const body = async (lease: Lease) => {
        leases.push(lease);
        bodies += 1;
        assert.equal(bodies, 1);
        assert.ok(lease.held);
        await assertTaken(other, lock);
        bodies -= 1;
        return leases.length;
      };
      const values = await Promise.all([lead(store, lock, body), lead(other, lock, body)]);
      assert.deepEqual(values.sort(), [1, 2]);
      const [first, second] = leases.map(({ fence }) => fence);
      if (first !== undefined && second !== undefined) assert.ok(first < second);
      await assertFree(other, lock);
    },
  },
  {
    title: 'a leader that died is followed by another, once its lock has lapsed',
    async run({ store, other, lock, step }) {
      await other.acquire(lock, thief, short);
      const start = performance.now();
      const waited = await lead(store, lock, () => performance.now() - start);
      assert.ok(waited < short + 2 * step + slack, `${waited} ms`);
      await assertFree(other, lock);
    },
  },
  {
    title: 'a leader whose lease was lost leads again, once its body has ended and not before',
    essential: true,
    async run({ store, other, lock }) {
      let terms = 0;
      let bodies = 0;
      const body = async (lease: Lease) => {
        terms += 1;
        bodies += 1;
        assert.equal(bodies, 1, 'two bodies in one process');
        if (terms === 1) {
          await takeAway(other, lease);
          // Others need not wait for that body.
          await assertFree(other, lock);
        }
        bodies -= 1;
        return terms;
      };
      assert.equal(await lead(store, lock, body), 2);
      await assertFree(other, lock);
    },
  },
  {
    title: 'an outage longer than the ttl ends a term, but nobody’s candidacy',
    async run({ store, other, lock }) {
      let isDown = false;
      let failedRequests = 0;
      const reachable = <T extends unknown[], R>(ask: (...request: T) => Promise<R>) =>
        async function asked(...request: T): Promise<R> {
          if (isDown) throw new Error('the line is cut');
          return ask(...request);
        };
      const flaky = altered(store, {
        ttl: short,
        async acquire(...request) {
          if (isDown) failedRequests += 1;
          return reachable(() => store.acquire(...request))();
        },
        extend: reachable((...request) => store.extend(...request)),
        release: reachable((...request) => store.release(...request)),
      });
      let terms = 0;
      const leader = lead(flaky, lock, async ({ signal }) => {
        terms += 1;
        if (terms > 1) return terms;
        isDown = true;
        await once(signal, 'abort');
        assert.match(signal.reason.message, /time ran out/);
        return 0;
      });
      // An attempt sends two requests.
      await eventually('it has tried twice to lead again', () => failedRequests > 2);
      isDown = false;
      assert.equal(await leader, 2);
      await eventually('the lock comes free', async () => {
        const lease = await tryAcquire(other, lock);
        await lease?.release();
        return lease !== null;
      });
    },
  },
  {
    title: 'a body that throws what its lost lease told it leads again; a fault ends it',
    async run({ store, other, lock }) {
      const fault = new Error('a fault');
      let terms = 0;
      const leader = lead(store, lock, async (lease) => {
        terms += 1;
        if (terms === 2) throw fault;
        await takeAway(other, lease);
        throw new Error('it stops', { cause: lease.signal.reason });
      });
      await assert.rejects(leader, (error) => error === fault);
      assert.equal(terms, 2);
      await assertFree(other, lock);
    },
  },
  {
    title:
      'an abort ends the wait of a candidate, and the term of a leader once its body has ended',
    async run({ store, other, lock }) {
      const shutdown = new Error('shutdown');
      const controller = new AbortController();
      const { signal } = controller;
      let end = () => {};
      const leases: Lease[] = [];
      const body = (lease: Lease) => {
        leases.push(lease);
        return new Promise<void>((resolve) => {
          end = resolve;
        });
      };
      const leader = lead(store, lock, body, { signal });
      await eventually('it leads', () => leases.length > 0);
      const candidate = lead(other, lock, () => assert.fail('two lead'), { signal });
      controller.abort(shutdown);
      await assert.rejects(candidate, (error) => error === shutdown);
      const [lease] = leases;
      assert.equal(lease?.signal.reason, shutdown);
      assert.equal(lease.held, true);
      await assertTaken(other, lock);
      end();
      await assert.rejects(leader, (error) => error === shutdown);
      await eventually('what the candidate had asked for is given back', async () => {
        const lease = await tryAcquire(other, lock);
        await lease?.release();
        return lease !== null;
      });
    },
  },
];
