/** QuorumStore gives a member that lost its vote the vote again, and leaves nothing behind by that. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { adopt, tryAcquire } from '../../../src/api/acquire.js';
import { pause, useClock } from '../../../src/base/clock.js';
import type { LockStore } from '../../../src/store.js';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { altered, assertFree, assertTaken, thief } from '../../../src/testing/fixture.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../../support/scripted-store.js';
import {
  forget,
  gated,
  type Held,
  type Memories,
  memberIn,
  memories,
  token,
} from './quorum-members.js';

const ttl = 30_000;

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

/** How long the member still keeps the lock from others, if it does. */
async function lifeAt(member: LockStore): Promise<number | undefined> {
  const answer = await member.acquire('import', thief, 1);
  if (!answer.granted) return answer.retryAfter;
  await member.release('import', thief);
  return undefined;
}

describe('quorum: a vote that was lost', () => {
  let stores: Memories;
  beforeEach(() => {
    stores = memories(3);
  });

  async function held(members: LockStore[]): Promise<QuorumStore> {
    const store = new QuorumStore(members);
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    return store;
  }

  test('is given again with the next extension, for what the lease has', async () => {
    const store = await held(stores);
    await forget(stores[0]);
    assert.equal(await store.extend('import', token, 20_000), true);
    await settled();
    assert.equal(await lifeAt(stores[0]), 20_000);
  });

  test('is given again to a member that had refused it at first', async () => {
    await stores[0].acquire('import', thief, ttl);
    const store = await held(stores);
    assert.equal(await store.extend('import', token, ttl), true);
    await settled();
    assert.equal(
      await stores[0].release('import', thief),
      true,
      'it was not taken from its holder',
    );
    assert.equal(await store.extend('import', token, ttl), true);
    await settled();
    await assertTaken(stores[0], 'import');
  });

  test('is given again to a reader as a reader, though the member had refused it at first', async () => {
    const [first] = stores;
    const store = new QuorumStore(stores);
    await first.acquire('import', thief, ttl);
    const lease = await tryAcquire(store, 'import', { limit: Infinity });
    assert.ok(lease);
    await first.release('import', thief);
    await lease.extend();
    await settled();
    assert.equal((await first.acquireShared('import', thief, ttl, Infinity)).granted, true);
    await first.release('import', thief);
    assert.equal((await first.acquire('import', thief, ttl)).granted, false, 'it has its vote');
  });

  test('is given again to a reader as a reader, in the process that adopted its lease', async () => {
    const [first] = stores;
    const lease = await tryAcquire(new QuorumStore(stores), 'import', { limit: Infinity });
    assert.ok(lease);
    await first.release('import', lease.token);
    const adopted = await adopt(new QuorumStore(stores), lease.handOver());
    await settled();
    assert.ok(adopted);
    assert.equal((await first.acquireShared('import', thief, ttl, Infinity)).granted, true);
    await first.release('import', thief);
    assert.equal((await first.acquire('import', thief, ttl)).granted, false, 'it has its vote');
  });

  test('is given again to a member that says no late, for the rest of the life', async () => {
    const { member, open } = gated(stores[0], 'requests', 'extend');
    const store = await held([member, stores[1], stores[2]]);
    await forget(stores[0]);
    assert.equal(await store.extend('import', token, ttl), true);
    await clock.advance(1_500);
    open();
    await settled();
    assert.equal(await lifeAt(stores[0]), ttl - 1_500);
  });

  test('delays no extension', async () => {
    const mute = altered(stores[0], { acquire: () => never });
    const store = await held([mute, stores[1], stores[2]]);
    const start = clock.monotonic();
    assert.equal(await store.extend('import', token, ttl), true);
    assert.equal(clock.monotonic(), start);
  });

  test('costs a request where a member says no, and none where it says yes or fails', async () => {
    for (const [answer, requests] of [
      [true, 0],
      [false, 1],
      [cut, 0],
      [never, 0],
    ] as const) {
      const members = [new ScriptedStore(), new ScriptedStore(), new ScriptedStore()];
      const [first] = members as [ScriptedStore];
      first.answers.extend = [answer];
      const store = new QuorumStore(members);
      assert.equal(await store.extend('import', token, ttl), true);
      await clock.advance(10_000);
      assert.deepEqual(
        members.map((member) => member.count('acquire')),
        [requests, 0, 0],
      );
    }
  });

  test('is not given where no majority says that the lease is ours', async () => {
    for (const rest of [
      [false, true, false],
      [false, true, cut],
      [false, false, false],
    ]) {
      const members = rest.map((answer) => {
        const member = new ScriptedStore();
        member.answers.extend = [answer];
        return member;
      });
      await new QuorumStore(members).extend('import', token, ttl).catch(() => {});
      await clock.advance(10_000);
      for (const member of members) assert.equal(member.count('acquire'), 0);
    }
  });

  test('a lease outlives all its members, restarted empty one after the other', async () => {
    const conditions = ['up', 'up', 'up'] as ('up' | 'down')[];
    const members = stores.map((store, index) => {
      const to = (operation: 'acquire' | 'extend' | 'release') =>
        ((...request: never[]) => {
          const member = memberIn(conditions[index] ?? 'up', store);
          return (member[operation] as (...request: never[]) => Promise<never>)(...request);
        }) as never;
      return altered(store, {
        acquire: to('acquire'),
        extend: to('extend'),
        release: to('release'),
      });
    });
    const lease = await tryAcquire(new QuorumStore(members), 'import', { ttl });
    assert.ok(lease);
    for (let round = 0; round < 6; round++) {
      const index = round % 3;
      conditions[index] = 'down';
      await stores[index]?.release('import', lease.token);
      await clock.advance(2 * ttl);
      conditions[index] = 'up';
      const contender = tryAcquire(new QuorumStore(stores), 'import');
      assert.equal(await clock.passing(contender), null, 'nobody else gets in');
      await clock.advance(ttl / 3 + 100);
      assert.equal(lease.held, true, `after ${round + 1} restarts`);
    }
    for (const store of stores) await assertTaken(store, 'import');
    assert.equal(await clock.passing(lease.release()), true);
    for (const store of stores) await assertFree(store, 'import');
  });
});

describe('quorum: an extension that may still come', () => {
  test('to a shorter life: the vote of its member counts for no longer one meanwhile', async () => {
    const [one, two, three] = memories(3);
    const late = gated(one, 'requests', 'extend');
    let isTwoDown = false;
    const flaky = altered(two, {
      async extend(...[name, token, ttl]) {
        if (isTwoDown) throw cut;
        return two.extend(name, token, ttl);
      },
    });
    let sent = 0;
    const overtaking = altered(one, {
      extend: (...request) => (++sent === 1 ? late.member : one).extend(...request),
    });
    const store = new QuorumStore([overtaking, flaky, three]);
    await store.acquire('import', token, ttl);
    assert.equal(await store.extend('import', token, 100), true);
    isTwoDown = true;
    await assert.rejects(
      clock.passing(store.extend('import', token, ttl)),
      /store 1: an earlier extension may still shorten its life; store 2: the line is cut; store 3: yes/,
    );
    late.open();
    await settled();
    assert.equal(await store.extend('import', token, ttl), true, 'it has come');
  });

  test('to a longer or the same life: it does not matter', async () => {
    const [one, two, three] = memories(3);
    const late = gated(one, 'answers', 'extend');
    const store = new QuorumStore([late.member, two, memberIn('down', three)]);
    for (const voter of [one, two]) await voter.acquire('import', token, ttl);
    const first = store.extend('import', token, ttl);
    const second = store.extend('import', token, ttl);
    late.open();
    assert.equal(await first, true);
    assert.equal(await second, true);
  });
});

describe('quorum: a vote that is given again too late leaves nothing behind', () => {
  let stores: Memories;
  let late: ReturnType<typeof gated>;
  let store: QuorumStore;

  /** The first member forgot its vote; what it is asked to give it again with is held. */
  async function renewing(what: Held): Promise<void> {
    stores = memories(3);
    const [one, two, three] = stores;
    late = gated(one, what);
    assert.equal((await new QuorumStore(stores).acquire('import', token, ttl)).granted, true);
    await forget(one);
    store = new QuorumStore([late.member, two, three]);
    assert.equal(await store.extend('import', token, ttl), true);
    await settled();
    assert.equal(late.asked(), 1, 'it is under way');
  }

  /** Long before the ttl has passed. */
  async function assertNothingIsLeft(): Promise<void> {
    await clock.advance(8_000);
    for (const member of stores) await assertFree(member, 'import');
  }

  for (const what of ['requests', 'answers'] as const) {
    for (const end of ['open', 'fail'] as const) {
      const title = `its ${what} held, which ${end === 'open' ? 'go on' : 'fail'}`;

      test(`${title} after the release`, async () => {
        await renewing(what);
        assert.equal(await clock.passing(store.release('import', token)), true);
        late[end]();
        await assertNothingIsLeft();
      });

      test(`${title} before the release`, async () => {
        await renewing(what);
        late[end]();
        await settled();
        assert.equal(await clock.passing(store.release('import', token)), true);
        await assertNothingIsLeft();
      });

      test(`${title} after the lease was let lapse`, async () => {
        await renewing(what);
        assert.equal(await store.extend('import', token, 100), true);
        late[end]();
        await settled();
        const life = (await lifeAt(stores[0])) ?? 0;
        assert.ok(life <= 100, `${life} ms are left`);
        await assertNothingIsLeft();
      });

      test(`${title} after the lease was handed over, adopted and released`, async () => {
        await renewing(what);
        const adopted = await adopt(store, { name: 'import', token, ttl });
        assert.equal(await clock.passing(adopted?.release() ?? assert.fail()), true);
        late[end]();
        await assertNothingIsLeft();
      });
    }
  }

  test('where it fails first, and is carried out later', async () => {
    stores = memories(3);
    const [one, two, three] = stores;
    const failing = altered(one, {
      async acquire(...request) {
        void pause(2_000).then(() => one.acquire(...request));
        throw cut;
      },
    });
    store = new QuorumStore([failing, two, three]);
    const start = clock.monotonic();
    for (const voter of [two, three]) await voter.acquire('import', token, ttl);
    assert.equal(await store.extend('import', token, ttl), true);
    await clock.advance(1_000);
    assert.equal(await clock.passing(store.release('import', token)), true);
    assert.equal(clock.monotonic() < start + 2_000, true, 'it is still to come');
    await clock.advance(1_500);
    await assertNothingIsLeft();
  });

  test('where a member says no only after the release', async () => {
    stores = memories(3);
    const [one, two, three] = stores;
    const { member, open } = gated(one, 'answers', 'extend');
    store = new QuorumStore([member, two, three]);
    for (const voter of [two, three]) await voter.acquire('import', token, ttl);
    assert.equal(await store.extend('import', token, ttl), true);
    assert.equal(await clock.passing(store.release('import', token)), true);
    open();
    await settled();
    await assertNothingIsLeft();
  });

  test('nor asks a member that has yet to answer the release', async () => {
    stores = memories(3);
    const [one, two, three] = stores;
    const { member, open } = gated(one, 'answers', 'extend');
    let requests = 0;
    const stuck = altered(member, {
      acquire: async () => ({ granted: ++requests > 0 }) as never,
      release: () => never,
    });
    store = new QuorumStore([stuck, two, three]);
    for (const voter of [two, three]) await voter.acquire('import', token, ttl);
    assert.equal(await store.extend('import', token, ttl), true);
    assert.equal(await clock.passing(store.release('import', token)), true);
    open();
    await clock.advance(60_000);
    assert.equal(requests, 0);
  });

  test('where the answer was lost and another process adopts and releases', async () => {
    await renewing('answers');
    const adopted = await adopt(new QuorumStore(stores), { name: 'import', token, ttl });
    assert.equal(await clock.passing(adopted?.release() ?? assert.fail()), true);
    late.fail();
    await assertNothingIsLeft();
  });

  test('a lease that was handed over is not shortened by what its last holder sent', async () => {
    await renewing('requests');
    const other = new QuorumStore(stores);
    const adopted = await adopt(other, { name: 'import', token, ttl }, { renew: false });
    assert.ok(adopted);
    assert.equal(await store.extend('import', token, 100), true);
    await clock.passing(adopted.extend(ttl));
    await clock.advance(6_000);
    late.open();
    await settled();
    const life = (await lifeAt(stores[0])) ?? 0;
    assert.ok(life > 20_000, `${life} ms are left`);
  });
});
