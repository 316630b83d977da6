/** Once for each period, and leases that go from one process to another. */
import assert from 'node:assert/strict';
import { acquire, adopt, LeaseLostError, type LockStore, locked, once, tryAcquire } from 'dlock-js';
import {
  assertFree,
  assertTaken,
  type Case,
  eventually,
  renewed,
  short,
  takeWhenFree,
  thief,
} from './fixture.js';

const period = '2026-11-24T05';
const done = { ran: false, reason: 'done' };

/** The name of the lock by which `once` remembers a period: the second that it asks for. */
async function lockOf(period: string, lock: string): Promise<string> {
  const asked: string[] = [];
  const recording: LockStore = {
    async acquire(name) {
      asked.push(name);
      return { granted: true };
    },
    extend: async () => true,
    release: async () => true,
  };
  await once(recording, lock, period, () => {});
  assert.equal(asked[0], lock);
  assert.match(asked[1] ?? '', /^\0/, 'out of reach of any caller’s name');
  return asked[1] as string;
}

export const jobs: Case[] = [
  {
    title: 'once runs its body once for each period',
    essential: true,
    async run({ store, other, lock }) {
      let runs = 0;
      const body = () => {
        runs += 1;
        return runs;
      };
      assert.deepEqual(await once(store, lock, period, body), { ran: true, value: 1 });
      assert.deepEqual(await once(other, lock, period, body), done);
      assert.deepEqual(await once(store, lock, period, body), done);
      await assertFree(other, lock);
      assert.deepEqual(await once(other, lock, '2026-11-24T06', body), { ran: true, value: 2 });
      assert.equal(runs, 2);
    },
  },
  {
    title: 'once tells whom another is ahead of, or waits, and then learns that it is done',
    async run({ store, other, lock }) {
      let finish = () => {};
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      let runs = false;
      const first = once(store, lock, period, async (lease) => {
        assert.ok(lease.held);
        await assertTaken(other, lock);
        await assertTaken(other, await lockOf(period, lock));
        runs = true;
        await finished;
      });
      await eventually('it runs', () => runs);
      assert.deepEqual(await once(other, lock, period, () => 1), { ran: false, reason: 'held' });
      const waiting = once(other, lock, period, () => 1, { wait: 30_000 });
      finish();
      assert.deepEqual(await first, { ran: true, value: undefined });
      assert.deepEqual(await waiting, done);
    },
  },
  {
    title: 'once: a period is of one lock, and blocks no other lock',
    async run({ store, other, lock }) {
      const run = (name: string, period: string) => once(store, name, period, () => 1);
      const ran = { ran: true, value: 1 };
      for (const mark of ['@', '"', '","', '\0', ':', '/']) {
        assert.deepEqual(await run(`${lock}a${mark}b`, 'c'), ran, mark);
        assert.deepEqual(await run(`${lock}a`, `b${mark}c`), ran, mark);
        assert.deepEqual(await run(`${lock}a${mark}b`, 'c'), done, mark);
        await assertFree(other, `${lock}a${mark}b${mark}c`);
        await assertFree(other, `${lock}a${mark}b`);
      }
    },
  },
  {
    title: 'once: a body that fails leaves the period free, and rejects with what it threw',
    async run({ store, other, lock }) {
      const failure = new Error('the body failed');
      const failing = once(store, lock, period, () => {
        throw failure;
      });
      await assert.rejects(failing, (error) => error === failure);
      assert.deepEqual(await once(other, lock, period, () => 2), { ran: true, value: 2 });
    },
  },
  {
    title: 'once: a runner that died is not taken for one that is done',
    async run({ store, other, lock }) {
      // What a dead runner leaves behind, the lease on the period to lapse a little later.
      await store.acquire(lock, thief, short);
      await store.acquire(await lockOf(period, lock), thief, short + 100);
      const outcome = await once(other, lock, period, () => 1, { wait: 30_000, ttl: 3_000 });
      assert.deepEqual(outcome, { ran: true, value: 1 });
    },
  },
  {
    title: 'once forgets a period after a while, and rejects when its lease was lost',
    async run({ store, other, lock }) {
      await once(store, lock, period, () => 1, { retain: short });
      const remembered = await lockOf(period, lock);
      await takeWhenFree(other, remembered, thief);
      await other.release(remembered, thief);
      const again = await once(other, lock, period, () => 2);
      assert.deepEqual(again, { ran: true, value: 2 });

      const lost = once(store, lock, 'next', async (lease) => {
        await other.release(lock, lease.token);
      });
      await assert.rejects(lost, LeaseLostError);
      await eventually(
        'another may run it',
        async () => (await once(other, lock, 'next', () => 3)).ran,
      );
    },
  },
  {
    title: 'once: the lock stays taken for minHold by who ran, not by who found it done',
    async run({ store, other, lock, step }) {
      // Counted from the grant, not from the beginning of the wait.
      await store.acquire(lock, thief, short);
      await once(store, lock, period, () => 1, { minHold: renewed({ step }), wait: 30_000 });
      await assertTaken(other, lock);
      await eventually('the lock comes free', async () => {
        const lease = await tryAcquire(other, lock);
        await lease?.release();
        return lease !== null;
      });
      assert.deepEqual(await once(store, lock, period, () => 1, { minHold: 60_000 }), done);
      await assertFree(other, lock);
    },
  },
  {
    title: 'minHold counts after a body that failed under locked, but not under once',
    async run({ store, other, lock }) {
      const failure = new Error('the body failed');
      const fail = () => Promise.reject(failure);
      const options = { minHold: 60_000 };
      const hasFailed = (error: unknown) => error === failure;
      await assert.rejects(once(store, lock, period, fail, options), hasFailed);
      await assertFree(other, lock);
      await assert.rejects(locked(store, lock, fail, options), hasFailed);
      await assertTaken(other, lock);
    },
  },
  {
    title: 'a lease is handed over by a ticket of plain JSON',
    essential: true,
    async run({ store, other, lock }) {
      const first = await tryAcquire(store, lock, { ttl: 20_000 });
      assert.ok(first);
      const ticket = JSON.parse(JSON.stringify(first.handOver()));
      assert.equal(first.held, false);
      assert.equal(await first.release(), true, 'it was ours when it was handed over');
      await first[Symbol.asyncDispose]();
      assert.throws(() => first.handOver(), LeaseLostError);
      await assertTaken(other, lock);

      const second = await adopt(other, ticket);
      assert.ok(second?.held);
      assert.equal(second.token, first.token);
      assert.equal(second.fence, first.fence);
      assert.equal(await second.release(), true);
      await assertFree(store, lock);
      assert.equal(await adopt(store, ticket), null, 'a ticket that was used up');
    },
  },
  {
    title: 'a wrong ticket adopts nothing and frees nothing',
    async run({ store, other, lock }) {
      const lease = await tryAcquire(store, lock);
      assert.ok(lease);
      const wrong = { name: lock, token: thief, ttl: 20_000 };
      assert.equal(await adopt(other, wrong), null);
      await assertTaken(other, lock);
      assert.equal(await lease.release(), true);
      assert.equal(await adopt(other, wrong), null);
      await assertFree(other, lock);
      for (const ticket of [null, {}, { ...wrong, token: '../x' }, { ...wrong, fence: 'x' }]) {
        await assert.rejects(adopt(other, ticket as never), TypeError);
      }
      await assert.rejects(adopt(other, { ...wrong, ttl: 0 }), RangeError);
    },
  },
  {
    title: 'who waits in the process that handed the lease over is served when it comes free',
    async run({ store, other, lock }) {
      const first = await acquire(store, lock);
      const waiting = acquire(store, lock);
      const second = await adopt(other, first.handOver());
      assert.equal(await second?.release(), true);
      await (await waiting).release();
    },
  },
];
