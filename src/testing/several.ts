/** Several locks at once, all or none. */
import assert from 'node:assert/strict';
import {
  AcquireTimeoutError,
  acquireAll,
  LeaseLostError,
  type LockStore,
  StoreError,
  settled,
  tryAcquireAll,
} from 'dlock-js';
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

/** Two locks, in the order in which all take them. */
const two = (lock: string): [string, string] => [`${lock} a`, `${lock} b`];

async function holdAsStranger(store: LockStore, lock: string): Promise<void> {
  assert.equal((await store.acquire(lock, thief, 60_000)).granted, true);
}

/**
 * What was taken for a group that is refused is given back in the background.
 *
 * @param store of this case alone: in the background of another, other cases go on.
 */
async function assertGivenBack(store: LockStore, other: LockStore, lock: string): Promise<void> {
  assert.equal(await settled(store), true);
  await assertFree(other, lock);
}

export const several: Case[] = [
  {
    title: 'all are taken, in an order of their own, and given back together',
    essential: true,
    async run({ store, other, lock, fence }) {
      const [a, b] = two(lock);
      const leases = await tryAcquireAll(store, [b, a, b]);
      assert.ok(leases?.held);
      assert.deepEqual(
        [...leases].map(({ name }) => name),
        [a, b],
      );
      for (const lease of leases) {
        await assertTaken(other, lease.name);
        assert.equal(lease.fence !== undefined, fence);
      }
      await leases.extend();
      assert.equal(await leases.release(), true);
      assert.equal(leases.held, false);
      for (const name of [a, b]) await assertFree(other, name);
    },
  },
  {
    title: 'one is held: null, the others are free again, and the holder notices nothing',
    essential: true,
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      const own = altered(store, {});
      await holdAsStranger(other, b);
      assert.equal(await tryAcquireAll(own, [b, a]), null);
      await assertGivenBack(own, other, a);
      assert.equal(await other.extend(b, thief, 60_000), true);
      assert.equal(await other.release(b, thief), true);
    },
  },
  {
    title: 'who takes them in one order never waits for who names them in another',
    essential: true,
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      let sections = 0;
      let inside = 0;
      const work = async (store: LockStore, names: string[]) => {
        for (let round = 0; round < 5; round++) {
          const leases = await acquireAll(store, names, { wait: 30_000 });
          assert.equal(++inside, 1);
          await leases.extend();
          inside -= 1;
          assert.equal(await leases.release(), true);
          sections += 1;
        }
      };
      // Each has a line of its own, as in another process.
      await Promise.all([work(altered(store, {}), [a, b]), work(altered(other, {}), [b, a])]);
      assert.equal(sections, 10);
      for (const name of [a, b]) await assertFree(other, name);
    },
  },
  {
    title: 'of tries at the same moment at locks that overlap, one wins',
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      const c = `${lock} c`;
      const groups = [
        [a, b],
        [c, b],
        [c, a],
      ];
      const attempts = groups.map((names, index) =>
        tryAcquireAll(index % 2 ? store : other, names),
      );
      const won = (await Promise.all(attempts)).filter((leases) => leases !== null);
      assert.equal(won.length, 1);
      assert.equal(await won[0]?.release(), true);
    },
  },
  {
    title: 'a wait for all that ends names the lock that was held, and leaves nothing',
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      const own = altered(store, {});
      await holdAsStranger(other, b);
      for (const wait of [0, short]) {
        const start = performance.now();
        await assert.rejects(acquireAll(own, [a, b], { wait }), (error: Error) => {
          assert.ok(error instanceof AcquireTimeoutError, String(error));
          assert.equal(error.lock, b);
          return true;
        });
        const waited = performance.now() - start;
        assert.ok(waited >= wait - 2 && waited < wait + slack, `${waited} of ${wait} ms`);
      }
      await assertGivenBack(own, other, a);
      assert.equal(await other.release(b, thief), true);
    },
  },
  {
    title: 'an abort half-way ends the wait at once, and leaves nothing',
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      await holdAsStranger(other, b);
      let waits = false;
      const seen = altered(store, {
        async acquire(...request) {
          const answer = await store.acquire(...request);
          waits ||= request[0] === b && !answer.granted;
          return answer;
        },
      });
      const controller = new AbortController();
      const waiting = acquireAll(seen, [a, b], { signal: controller.signal });
      waiting.catch(() => {});
      await eventually('it waits for the second', () => waits);
      await assertTaken(other, a);
      controller.abort(new Error('enough'));
      await assert.rejects(waiting, /enough/);
      await assertGivenBack(seen, other, a);
      assert.equal(await other.release(b, thief), true);
      await assertFree(other, b);
    },
  },
  {
    title: 'one is lost: the signal tells, and the others are still ours',
    essential: true,
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      const leases = await acquireAll(store, [a, b]);
      const { signal } = leases;
      assert.equal(await other.release(a, leases.of(a).token), true);
      await assert.rejects(leases.extend(), LeaseLostError);
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason.lock, a);
      assert.equal(leases.held, false);
      assert.equal(leases.of(b).held, true);
      await assertTaken(other, b);
      assert.equal(await leases.release(), false);
      for (const name of [a, b]) await assertFree(other, name);
    },
  },
  {
    title: 'one is in doubt when all are released: a StoreError, and the others are free',
    async run({ store, other, lock }) {
      const [a, b] = two(lock);
      let failing = true;
      const flaky = altered(store, {
        async release(...request) {
          if (failing && request[0] === a) throw new Error('the line is cut');
          return store.release(...request);
        },
      });
      const leases = await acquireAll(flaky, [a, b]);
      await assert.rejects(leases.release(), (error: Error) => {
        assert.ok(error instanceof StoreError, String(error));
        assert.equal(error.lock, a);
        return true;
      });
      await assertFree(other, b);
      failing = false;
      await assertGivenBack(flaky, other, a);
      await leases[Symbol.asyncDispose]();
    },
  },
];
