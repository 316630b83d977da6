/** QuorumStore over members that hold, fail, are late or never answer. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { tryAcquire } from '../../../src/api/acquire.js';
import { pause, useClock } from '../../../src/base/clock.js';
import { StoreError } from '../../../src/base/errors.js';
import type { LockStore } from '../../../src/store.js';
import { MemoryStore } from '../../../src/stores/memory.js';
import { QuorumStore } from '../../../src/stores/quorum/quorum.js';
import { altered, assertFree, assertTaken, thief } from '../../../src/testing/fixture.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { cut, never, ScriptedStore } from '../../support/scripted-store.js';
import { type Condition, gated, memberIn, memories, token } from './quorum-members.js';

/** A life that ends in no test. */
const ttl = 3_600_000;

let clock: FakeClock;
beforeEach(() => {
  clock = FakeClock.install();
});
afterEach(() => useClock());

function* combinations<T>(choices: readonly T[], length: number): Generator<T[]> {
  if (length === 0) return yield [];
  for (const rest of combinations(choices, length - 1)) {
    for (const choice of choices) yield [...rest, choice];
  }
}

type Outcome = 'lease' | 'null' | 'error';

/** Takes and gives back a lock of a quorum in these conditions. */
async function tryIn(conditions: Condition[], timeout: number) {
  const stores = memories(conditions.length);
  for (const [index, condition] of conditions.entries()) {
    if (condition === 'held') await stores[index]?.acquire('import', thief, ttl);
  }
  const members = stores.map((store, index) => memberIn(conditions[index] ?? 'up', store));
  const store = new QuorumStore(members, { timeout });
  const lease = await tryAcquire(store, 'import', { ttl }).catch((error) => {
    assert.ok(error instanceof StoreError, String(error));
    return 'error' as const;
  });
  if (lease !== 'error') await lease?.release();
  const outcome: Outcome = lease === 'error' ? 'error' : lease ? 'lease' : 'null';
  return { conditions, stores, outcome };
}

/** Long before a ttl has passed, nobody but the thief holds anything. */
async function assertNothingIsLeft({ conditions, stores }: Awaited<ReturnType<typeof tryIn>>) {
  for (const [index, store] of stores.entries()) {
    await clock.eventually(`${conditions} leave nothing in store ${index + 1}`, async () => {
      if (conditions[index] === 'held') return store.release('import', thief);
      return (await store.acquire('import', thief, ttl)).granted;
    });
  }
}

function expectedIn(conditions: Condition[]): Outcome {
  const count = (...counted: Condition[]) =>
    conditions.filter((condition) => counted.includes(condition)).length;
  const majority = Math.floor(conditions.length / 2) + 1;
  if (count('up', 'slow') >= majority) return 'lease';
  if (count('down', 'silent', 'mute') > conditions.length - majority) return 'error';
  return count('held') > conditions.length - majority ? 'null' : 'error';
}

describe('quorum: a lease exactly when a majority grants, and nothing is left behind', () => {
  for (const [size, choices, timeout] of [
    [5, ['up', 'held', 'down'], 2_000],
    [5, ['slow', 'held', 'down'], 2_000],
    [5, ['up', 'silent'], 1_000],
    [5, ['up', 'mute'], 1_000],
    [5, ['slow', 'silent', 'held'], 1_000],
    [4, ['up', 'slow', 'held', 'down'], 2_000],
    [3, ['up', 'slow', 'held', 'down', 'silent', 'mute'], 1_000],
    [2, ['up', 'slow', 'held', 'down', 'silent', 'mute'], 1_000],
    [1, ['up', 'slow', 'held', 'down', 'silent', 'mute'], 1_000],
  ] as [number, Condition[], number][]) {
    test(`${size} stores, each ${choices.join(', ')}`, async () => {
      for (const conditions of combinations(choices, size)) {
        // What a quorum still owes to a member that is down goes on for the whole ttl.
        clock = FakeClock.install();
        const tried = await clock.passing(tryIn(conditions, timeout));
        assert.equal(tried.outcome, expectedIn(conditions), `${conditions}`);
        await assertNothingIsLeft(tried);
      }
    });
  }
});

describe('quorum: time', () => {
  test('a silent minority delays nothing', async () => {
    const [one, two, three, four, five] = memories(5);
    assert.ok(one && two && three && four && five);
    const members = [one, memberIn('silent', two), three, memberIn('mute', four), five];
    const store = new QuorumStore(members, { timeout: 600_000 });
    const start = clock.monotonic();
    const lease = await clock.passing(tryAcquire(store, 'import', { ttl }));
    assert.ok(lease);
    assert.equal(await clock.passing(tryAcquire(store, 'import', { ttl })), null);
    await clock.passing(lease.extend());
    assert.equal(await clock.passing(lease.release()), true);
    assert.ok(clock.monotonic() - start < 100, `${clock.monotonic() - start} ms`);
  });

  test('a dead majority is told in time, and says what each member said', async () => {
    const [one, two, three] = memories(3);
    assert.ok(one && two && three);
    const members = [one, memberIn('silent', two), memberIn('down', three)];
    const store = new QuorumStore(members, { timeout: 1_000 });
    const start = clock.monotonic();
    await assert.rejects(clock.passing(tryAcquire(store, 'import', { ttl })), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.ok(error.cause instanceof AggregateError);
      assert.match(
        error.message,
        /\(store 1: yes; store 2: no answer within 400 ms; store 3: the line is cut\)/,
      );
      assert.ok(error.cause.errors.includes(cut));
      return true;
    });
    assert.ok(clock.monotonic() - start <= 1_000);
    await clock.advance(50);
    await assertFree(one, 'import');
  });

  test('a member’s own time limit holds', async () => {
    const [one, two] = memories(2);
    assert.ok(one && two);
    const impatient = altered(memberIn('silent', two), { timeout: 20 } as Partial<LockStore>);
    const store = new QuorumStore([one, impatient], { timeout: 600_000 });
    const asked = store.acquire('import', token, ttl);
    await assert.rejects(clock.passing(asked), /no answer within 20 ms/);
  });
});

describe('quorum: extensions and releases', () => {
  for (const operation of ['extend', 'release'] as const) {
    test(`${operation}: a majority for yes is true, none possible is false, else an error`, async () => {
      for (const answers of combinations([true, false, cut], 5)) {
        const members = answers.map((answer) => {
          const member = new ScriptedStore();
          member.answers[operation] = [answer];
          return member;
        });
        const store = new QuorumStore(members);
        const count = (counted: unknown) => answers.filter((answer) => answer === counted).length;
        const asked = clock.passing(
          operation === 'extend'
            ? store.extend('import', token, ttl)
            : store.release('import', token),
        );
        if (count(true) >= 3) assert.equal(await asked, true);
        else if (count(false) >= 3) assert.equal(await asked, false);
        else await assert.rejects(asked, /there is no majority \(store 1: /);
        await settled();
        const isRenewed = operation === 'extend' && count(true) >= 3;
        for (const [index, member] of members.entries()) {
          assert.ok(member.count(operation) >= 1, 'every member is asked');
          const votesAnew = isRenewed && answers[index] === false;
          assert.equal(member.count('acquire'), votesAnew ? 1 : 0, `${answers}: ${index + 1}`);
        }
      }
    });
  }

  test('of four, two that lost the lock are enough for a loss', async () => {
    const members = memories(4);
    const store = new QuorumStore(members);
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    await members[0].release('import', token);
    await members[1].release('import', token);
    assert.equal(await store.extend('import', token, ttl), false);
    assert.equal(await clock.passing(store.release('import', token)), false);
    for (const member of members) await assertFree(member, 'import');
  });

  /** A minority of what is asked goes well; the others answer or throw what `answer` does. */
  function mostly(answer: () => unknown): ScriptedStore[] {
    const members = [new ScriptedStore(), new ScriptedStore(), new ScriptedStore()];
    for (const member of members.slice(1)) {
      for (const operation of ['acquire', 'extend', 'release'] as const) {
        member[operation] = answer as never;
      }
    }
    return members;
  }

  async function assertUndecided(members: LockStore[], message: RegExp): Promise<void> {
    const store = new QuorumStore(members);
    const expected = { name: 'AggregateError', message };
    await assert.rejects(clock.passing(store.acquire('import', token, 1_000)), expected);
    await assert.rejects(clock.passing(store.extend('import', token, 1_000)), expected);
    await assert.rejects(clock.passing(store.release('import', token)), expected);
    // What is owed is settled, one way or the other, without an error that nobody catches.
    await clock.advance(60_000);
  }

  test('an answer that is none counts as a failure', async () => {
    const wrong: unknown[] = [undefined, null, 'yes', 1, {}, [], { granted: 'yes' }];
    wrong.push({ granted: false, retryAfter: -1 }, { granted: false, retryAfter: '5' });
    for (const answer of wrong) {
      await assertUndecided(
        mostly(async () => answer),
        /store 2: unexpected answer/,
      );
    }
  });

  test('an answer is looked at once', async () => {
    const members = mostly(async () => {
      let looks = 0;
      return {
        get granted() {
          if (looks++ > 0) throw new Error('looked at again');
          return true;
        },
      };
    });
    assert.deepEqual(await new QuorumStore(members).acquire('import', token, ttl), {
      granted: true,
    });
    await clock.advance(1_000);
  });

  test('a member that throws at once counts as a failure', async () => {
    await assertUndecided(
      mostly(() => {
        throw cut;
      }),
      /store 2: the line is cut; store 3: the line is cut/,
    );
  });

  test('an error without a message is shown by its reasons', async () => {
    const reasons = [new Error('connect ECONNREFUSED ::1'), { code: 'ETIMEDOUT' }];
    await assertUndecided(
      mostly(async () => {
        throw new AggregateError(reasons);
      }),
      /store 2: connect ECONNREFUSED ::1; ETIMEDOUT; store 3: /,
    );
  });
});

describe('quorum: what is given back', () => {
  /** Soon, and long before the ttl has passed. */
  const isGivenBack = (member: LockStore) =>
    clock.eventually('it is given back', async () => {
      return (await member.acquire('import', thief, ttl)).granted;
    });

  test('a grant that comes after the release overtook it', async () => {
    const [one, two, late] = memories(3);
    const { member, open, asked } = gated(late);
    const store = new QuorumStore([one, two, member]);
    const lease = await clock.passing(tryAcquire(store, 'import', { ttl }));
    assert.equal(await clock.passing(lease?.release() ?? assert.fail()), true);
    assert.equal(asked(), 1);
    open();
    await isGivenBack(late);
  });

  test('a grant that comes after the attempt was refused', async () => {
    const [one, two, late] = memories(3);
    const { member, open } = gated(late);
    for (const holding of [one, two]) await holding.acquire('import', thief, ttl);
    const store = new QuorumStore([one, two, member]);
    assert.equal(await clock.passing(tryAcquire(store, 'import', { ttl })), null);
    open();
    await isGivenBack(late);
  });

  test('a grant that comes after everything had failed', async () => {
    const [one, two, late] = memories(3);
    const { member, open } = gated(late);
    const members = [memberIn('down', one), memberIn('down', two), member];
    const store = new QuorumStore(members, { timeout: 500 });
    await assert.rejects(clock.passing(tryAcquire(store, 'import', { ttl })), StoreError);
    open();
    await isGivenBack(late);
  });

  test('a lease of a member that could not be reached for the release', async () => {
    const [one, two, three] = memories(3);
    let failures = 3;
    const flaky = altered(three, {
      async release(...request) {
        if (failures-- > 0) throw cut;
        return three.release(...request);
      },
    });
    const lease = await tryAcquire(new QuorumStore([one, two, flaky]), 'import', { ttl });
    await assertTaken(three, 'import');
    assert.equal(await clock.passing(lease?.release() ?? assert.fail()), true);
    await isGivenBack(three);
    assert.ok(failures < 0);
  });

  test('for no longer than the ttl, and rarely, however much a member owes', async () => {
    const [one, two, three] = memories(3);
    let requests = 0;
    const down = altered(three, {
      async release() {
        requests += 1;
        throw cut;
      },
    });
    const store = new QuorumStore([one, two, down]);
    const names = Array.from({ length: 100 }, (_, index) => `import ${index}`);
    for (const name of names) await store.acquire(name, token, 10_000);
    await clock.passing(Promise.all(names.map((name) => store.release(name, token))));
    const released = requests;
    assert.ok(released >= 100);
    await clock.advance(15_000);
    assert.ok(requests - released < 50, `${requests - released} more`);
    const later = requests;
    await clock.advance(60_000);
    assert.equal(requests, later, 'the store has forgotten them by itself');
    assert.equal(clock.timers.size, 0);
  });

  test('a token is not asked for again while a release of it is still to come', async () => {
    const [one, two, three] = memories(3);
    const late = gated(three, 'requests', 'release');
    let releases = 0;
    const overtaking = altered(three, {
      release: (...request) => (++releases === 1 ? late.member : three).release(...request),
    });
    const store = new QuorumStore([one, two, overtaking], { timeout: 1_000 });
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    assert.equal(await clock.passing(store.release('import', token)), true);
    await clock.advance(10_000);
    assert.ok(releases > 1, 'it has been given back');
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    await assertFree(three, 'import');
    late.open();
    await clock.advance(10_000);
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    await settled();
    await assertTaken(three, 'import');
  });

  test('a token that is still being given back is not asked for again', async () => {
    const [one, two, three] = memories(3);
    const stuck = altered(three, { release: () => never });
    const store = new QuorumStore([one, two, stuck], { timeout: 1_000 });
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    assert.equal(await clock.passing(store.release('import', token)), true);
    await three.release('import', token);
    assert.equal((await store.acquire('import', token, ttl)).granted, true);
    await assertFree(three, 'import');
  });
});

describe('quorum: attempts at the same moment', () => {
  /** The members as a contender sees them who reaches some of them first. */
  function reachedFirst(members: MemoryStore[], near: (index: number) => boolean): LockStore[] {
    return members.map((member, index) => {
      let first = true;
      return altered(member, {
        async acquire(...request) {
          const wait = first && !near(index) ? 20 : 0;
          first = false;
          if (wait) await pause(wait);
          return member.acquire(...request);
        },
      });
    });
  }

  for (const [size, contenders] of [
    [3, 3],
    [4, 2],
    [5, 5],
    [2, 2],
  ] as const) {
    test(`${contenders} that split ${size} stores evenly: one wins, nothing is left`, async () => {
      const members = memories(size);
      const outcomes = Array.from({ length: contenders }, (_, contender) => {
        const view = reachedFirst(members, (index) => index % contenders === contender);
        return tryAcquire(new QuorumStore(view), 'import', { ttl });
      });
      const leases = await clock.passing(Promise.all(outcomes));
      const [lease, ...others] = leases.filter((lease) => lease !== null);
      assert.ok(lease && others.length === 0);
      assert.equal(await clock.passing(lease.release()), true);
      for (const member of members) await assertFree(member, 'import');
    });
  }

  test('with a silent member too', async () => {
    const members = memories(5);
    const outcomes = [0, 1].map((contender) => {
      const view = reachedFirst(members, (index) => index % 2 === contender);
      const four = memberIn('silent', members[4] as MemoryStore);
      const store = new QuorumStore([...view.slice(0, 4), four], { timeout: 60_000 });
      return tryAcquire(store, 'import', { ttl });
    });
    const start = clock.monotonic();
    const leases = await clock.passing(Promise.all(outcomes));
    const [lease, ...others] = leases.filter((lease) => lease !== null);
    assert.ok(lease && others.length === 0);
    assert.ok(clock.monotonic() - start < 5_000, 'nobody waited for the silent one');
    assert.equal(await clock.passing(lease.release()), true);
  });

  for (const condition of ['silent', 'down'] as const) {
    test(`with a member that is ${condition}, it goes on for longer than a loser would`, async () => {
      const [one, two, three] = memories(3) as [MemoryStore, MemoryStore, MemoryStore];
      let refusals = 0;
      const busy = altered(two, {
        acquire: async (...request) =>
          refusals++ < 12 ? { granted: false } : two.acquire(...request),
      });
      const members = [one, busy, memberIn(condition, three)];
      const store = new QuorumStore(members, { timeout: 60_000 });
      const lease = await clock.passing(tryAcquire(store, 'import', { ttl }));
      assert.equal(await clock.passing(lease?.release() ?? assert.fail()), true);
    });
  }
});

test('quorum: told when a majority may be free, where enough members know', async () => {
  const retryAfter = async (lives: (number | undefined | 'granted')[]) => {
    const members = lives.map((life) => {
      const member = new ScriptedStore();
      member.answers.acquire =
        life === 'granted' ? [{ granted: true }] : [{ granted: false, retryAfter: life }];
      return member;
    });
    const store = new QuorumStore(members);
    const attempt = await clock.passing(store.acquire('import', token, ttl));
    assert.ok(!attempt.granted);
    return attempt.retryAfter;
  };
  assert.equal(await retryAfter([30, 10, 20]), 20);
  assert.equal(await retryAfter([0, 0, 5]), 0);
  assert.equal(await retryAfter([30, 'granted', 20]), 20);
  assert.equal(await retryAfter([30, undefined, 20]), 30);
  assert.equal(await retryAfter([30, undefined, undefined]), undefined);
  assert.equal(await retryAfter([30]), 30);
});

describe('quorum: watching', () => {
  /** A member whose watchers the test wakes. */
  function watched(): { member: LockStore; wake: () => void; watchers: Set<() => void> } {
    const watchers = new Set<() => void>();
    const member = altered(new MemoryStore(), {
      async watch(_, wake) {
        watchers.add(wake);
        return { [Symbol.asyncDispose]: async () => void watchers.delete(wake) };
      },
    });
    const wake = () => {
      for (const watcher of watchers) watcher();
    };
    return { member, wake, watchers };
  }

  test('a majority wakes, a minority does not, however often', async () => {
    const members = [watched(), watched(), watched()];
    let woken = 0;
    const store = new QuorumStore(members.map(({ member }) => member));
    const watch = await store.watch('import', () => {
      woken += 1;
    });
    for (let times = 0; times < 5; times++) members[0]?.wake();
    assert.equal(woken, 0);
    members[2]?.wake();
    assert.equal(woken, 1);
    const closing = watch[Symbol.asyncDispose]();
    for (const { wake } of members) wake();
    await closing;
    assert.equal(woken, 1, 'nor anybody, while the members take their time to close');
    await clock.eventually('all are left', () =>
      members.every(({ watchers }) => watchers.size === 0),
    );
  });

  test('members that cannot be watched do not matter, unless they are a majority', async () => {
    const one = watched();
    const two = watched();
    const blind = new ScriptedStore();
    const stuck = altered(new MemoryStore(), { watch: () => never });
    const watch = await new QuorumStore([blind, one.member, two.member]).watch('import', () => {});
    await watch[Symbol.asyncDispose]();
    const opened = await new QuorumStore([stuck, one.member, two.member]).watch('x', () => {});
    await opened[Symbol.asyncDispose]();
    const mostlyBlind = new QuorumStore([blind, one.member, new ScriptedStore()]);
    await assert.rejects(
      mostlyBlind.watch('import', () => {}),
      /wakes nobody/,
    );
    const lying = altered(new MemoryStore(), { watch: async () => ({}) as never });
    await assert.rejects(
      new QuorumStore([blind, one.member, lying]).watch('import', () => {}),
      /unexpected answer/,
    );
    await clock.eventually('all are left', () => one.watchers.size + two.watchers.size === 0);
  });
});

test('quorum: invalid arguments are refused', () => {
  const member = new MemoryStore();
  for (const [stores, message] of [
    [[], /not an empty one/],
    [undefined, /not undefined/],
    [member, /list of stores/],
    [[member, undefined], /Store 2 of a quorum must be a LockStore, not undefined/],
    [[member, {}], /Store 2/],
    [[member, 'redis://localhost'], /not "redis:\/\/localhost"/],
    [[member, new MemoryStore(), member], /Store 3 of a quorum is in the list already/],
  ] as [never, RegExp][]) {
    assert.throws(
      () => new QuorumStore(stores),
      (error: Error) => {
        assert.ok(error instanceof TypeError);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test('quorum: the longest life is the shortest of the members’, the rest is the quorum’s own', () => {
  const limited = (maxTtl: number) => altered(new MemoryStore(), { maxTtl } as Partial<LockStore>);
  assert.equal(new QuorumStore([limited(9), new MemoryStore(), limited(7)]).maxTtl, 7);
  assert.equal(new QuorumStore([new MemoryStore()]).maxTtl, undefined);
  const { ttl, timeout } = new QuorumStore([new MemoryStore({ ttl: 1, timeout: 1 })]);
  assert.deepEqual([ttl, timeout], [30_000, 5_000]);
});
