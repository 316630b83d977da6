/** QuorumStore over members that hold, fail, are late or never answer. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { tryAcquire } from '../../../src/acquire.js';
import { StoreError } from '../../../src/base/errors.js';
import type { LockStore } from '../../../src/store.js';
import { MemoryStore } from '../../../src/stores/memory.js';
import { QuorumStore } from '../../../src/stores/quorum.js';
import {
  altered,
  assertFree,
  assertTaken,
  eventually,
  thief,
} from '../../../src/testing/fixture.js';
import { testStore } from '../../../src/testing/index.js';
import { cut, never, ScriptedStore } from '../scripted-store.js';

// What a quorum does in the background keeps no process alive; while tests wait for it, this does.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

const token = 'a'.repeat(32);

for (const size of [3, 4]) {
  testStore({
    name: `QuorumStore of ${size}`,
    fence: false,
    create() {
      const members = memories(size);
      return { store: new QuorumStore(members), other: new QuorumStore(members) };
    },
  });
}

function memories(size: number): MemoryStore[] {
  return Array.from({ length: size }, () => new MemoryStore());
}

type Condition = 'up' | 'slow' | 'held' | 'down' | 'silent' | 'mute';

/** A member in some condition, over the memory that shows what was left behind. */
function memberIn(condition: Condition, memory: LockStore): LockStore {
  const through =
    (before: () => Promise<unknown>, behind: () => Promise<unknown> = async () => {}) =>
    <Request extends unknown[], Answer>(operation: (...request: Request) => Promise<Answer>) =>
    async (...request: Request) => {
      await before();
      const answer = await operation(...request);
      await behind();
      return answer;
    };
  const ways = {
    up: through(async () => {}),
    held: through(async () => {}),
    slow: through(() => delay(10)),
    down: through(async () => {
      throw cut;
    }),
    silent: through(() => never),
    mute: through(
      async () => {},
      () => never,
    ),
  };
  const way = ways[condition];
  return altered(memory, {
    acquire: way(memory.acquire.bind(memory)),
    extend: way(memory.extend.bind(memory)),
    release: way(memory.release.bind(memory)),
  });
}

function* combinations<T>(choices: readonly T[], length: number): Generator<T[]> {
  if (length === 0) return yield [];
  for (const rest of combinations(choices, length - 1)) {
    for (const choice of choices) yield [...rest, choice];
  }
}

/** Takes and gives back a lock of a quorum in these conditions; what was left must soon be nothing. */
async function tryIn(
  conditions: Condition[],
  timeout: number,
): Promise<'lease' | 'null' | 'error'> {
  const stores = memories(conditions.length);
  for (const [index, condition] of conditions.entries()) {
    if (condition === 'held') await stores[index]?.acquire('import', thief, 3_600_000);
  }
  const members = stores.map((store, index) => memberIn(conditions[index] ?? 'up', store));
  const lease = await tryAcquire(new QuorumStore(members, { timeout }), 'import').catch((error) => {
    assert.ok(error instanceof StoreError, String(error));
    return 'error' as const;
  });
  if (lease !== 'error') await lease?.release();
  for (const [index, store] of stores.entries()) {
    await eventually(`${conditions} leave nothing in store ${index + 1}`, async () => {
      if (conditions[index] === 'held') return store.release('import', thief);
      return (await store.acquire('import', thief, 3_600_000)).granted;
    });
  }
  return lease === 'error' ? 'error' : lease ? 'lease' : 'null';
}

function expectedIn(conditions: Condition[]): 'lease' | 'null' | 'error' {
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
      const all = [...combinations(choices, size)];
      // Not all at once: members would be slow for want of a processor, not by themselves.
      while (all.length > 0) {
        const some = all.splice(0, 128);
        const outcomes = await Promise.all(some.map((conditions) => tryIn(conditions, timeout)));
        assert.deepEqual(outcomes, some.map(expectedIn), some.join(' '));
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
    const start = performance.now();
    const lease = await tryAcquire(store, 'import', { ttl: 3_600_000 });
    assert.ok(lease);
    assert.equal(await tryAcquire(store, 'import', { ttl: 3_600_000 }), null);
    await lease.extend();
    assert.equal(await lease.release(), true);
    assert.ok(performance.now() - start < 5_000);
  });

  test('a dead majority is told in time, and says what each member said', async () => {
    const [one, two, three] = memories(3);
    assert.ok(one && two && three);
    const members = [one, memberIn('silent', two), memberIn('down', three)];
    const store = new QuorumStore(members, { timeout: 1_000 });
    const start = performance.now();
    await assert.rejects(tryAcquire(store, 'import'), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.ok(error.cause instanceof AggregateError);
      assert.match(
        error.message,
        /\(store 1: yes; store 2: no answer within 400 ms; store 3: the line is cut\)/,
      );
      assert.ok(error.cause.errors.includes(cut));
      return true;
    });
    assert.ok(performance.now() - start < 3_000);
    await assertFree(one, 'import');
  });

  test('a member’s own time limit holds', async () => {
    const [one, two] = memories(2);
    assert.ok(one && two);
    const impatient = altered(memberIn('silent', two), { timeout: 20 } as Partial<LockStore>);
    const store = new QuorumStore([one, impatient], { timeout: 600_000 });
    await assert.rejects(store.acquire('import', token, 3_600_000), /no answer within 20 ms/);
    await store.release('import', token).catch(() => {});
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
        const asked =
          operation === 'extend'
            ? store.extend('import', token, 1_000)
            : store.release('import', token);
        if (count(true) >= 3) assert.equal(await asked, true);
        else if (count(false) >= 3) assert.equal(await asked, false);
        else await assert.rejects(asked, /there is no majority \(store 1: /);
        for (const member of members) {
          assert.ok(member.count(operation) >= 1, 'every member is asked');
          assert.equal(member.count('acquire'), 0, 'nothing is made anew');
        }
      }
    });
  }

  test('of four, two that lost the lock are enough for a loss', async () => {
    const members = memories(4);
    const store = new QuorumStore(members);
    assert.equal((await store.acquire('import', token, 60_000)).granted, true);
    await members[0]?.release('import', token);
    assert.equal(await store.extend('import', token, 60_000), true);
    await members[1]?.release('import', token);
    assert.equal(await store.extend('import', token, 60_000), false);
    assert.equal(await store.release('import', token), false);
    for (const member of members) await assertFree(member, 'import');
  });

  test('an answer that is none counts as a failure', async () => {
    const wrong: unknown[] = [undefined, null, 'yes', 1, {}, { granted: 'yes' }];
    wrong.push({ granted: false, retryAfter: -1 }, { granted: false, retryAfter: '5' });
    for (const answer of wrong) {
      const members = [new ScriptedStore(), new ScriptedStore(), new ScriptedStore()];
      for (const member of members.slice(1)) {
        member.answers.acquire = [answer as never];
        member.answers.extend = [answer as never];
        member.answers.release = [answer as never, false];
      }
      const store = new QuorumStore(members);
      await assert.rejects(store.acquire('import', token, 1_000), /unexpected answer/);
      await assert.rejects(store.extend('import', token, 1_000), /unexpected answer/);
      await assert.rejects(store.release('import', token), /unexpected answer/);
    }
  });
});

describe('quorum: what is given back', () => {
  /** A member whose acquires wait for the gate, while everything else overtakes them. */
  function gated(memory: MemoryStore): {
    member: LockStore;
    open: () => void;
    asked: () => number;
  } {
    let open = () => {};
    let asked = 0;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const member = altered(memory, {
      async acquire(...request) {
        asked += 1;
        await gate;
        return memory.acquire(...request);
      },
    });
    return { member, open: () => open(), asked: () => asked };
  }

  test('a grant that comes after the release overtook it', async () => {
    const [one, two, late] = memories(3);
    assert.ok(one && two && late);
    const { member, open, asked } = gated(late);
    const store = new QuorumStore([one, two, member]);
    const lease = await tryAcquire(store, 'import', { ttl: 3_600_000 });
    assert.equal(await lease?.release(), true);
    assert.equal(asked(), 1);
    open();
    await eventually('it is given back', async () => {
      const { granted } = await late.acquire('import', thief, 3_600_000);
      return granted;
    });
  });

  test('a grant that comes after the attempt was refused', async () => {
    const [one, two, late] = memories(3);
    assert.ok(one && two && late);
    const { member, open } = gated(late);
    for (const holding of [one, two]) await holding.acquire('import', thief, 3_600_000);
    const store = new QuorumStore([one, two, member]);
    assert.equal(await tryAcquire(store, 'import', { ttl: 3_600_000 }), null);
    open();
    await eventually('it is given back', async () => {
      const { granted } = await late.acquire('import', thief, 3_600_000);
      return granted;
    });
  });

  test('a grant that comes after everything had failed', async () => {
    const [one, two, late] = memories(3);
    assert.ok(one && two && late);
    const { member, open } = gated(late);
    const members = [memberIn('down', one), memberIn('down', two), member];
    const store = new QuorumStore(members, { timeout: 500 });
    await assert.rejects(tryAcquire(store, 'import', { ttl: 3_600_000 }), StoreError);
    open();
    await eventually('it is given back', async () => {
      const { granted } = await late.acquire('import', thief, 3_600_000);
      return granted;
    });
  });

  test('a lease of a member that could not be reached for the release', async () => {
    const [one, two, three] = memories(3);
    assert.ok(one && two && three);
    let failures = 3;
    const flaky = altered(three, {
      async release(...request) {
        if (failures-- > 0) throw cut;
        return three.release(...request);
      },
    });
    const lease = await tryAcquire(new QuorumStore([one, two, flaky]), 'import');
    await assertTaken(three, 'import');
    assert.equal(await lease?.release(), true);
    await eventually('it is given back', () => failures < 0);
    await eventually('and free', async () => {
      return (await three.acquire('import', thief, 60_000)).granted;
    });
  });

  test('for no longer than the ttl, and seldom, however much a member owes', async () => {
    const [one, two, three] = memories(3);
    assert.ok(one && two && three);
    let requests = 0;
    const down = altered(three, {
      async release() {
        requests += 1;
        throw cut;
      },
    });
    const store = new QuorumStore([one, two, down]);
    const names = Array.from({ length: 100 }, (_, index) => `import ${index}`);
    for (const name of names) await (await tryAcquire(store, name, { ttl: 1_000 }))?.release();
    const released = requests;
    assert.ok(released >= 100);
    await delay(1_500);
    assert.ok(requests - released < 100, `${requests - released} more`);
    const later = requests;
    await delay(500);
    assert.equal(requests, later, 'the store has forgotten them by itself');
  });

  test('a token that is still being given back is not asked for again', async () => {
    const [one, two, three] = memories(3);
    assert.ok(one && two && three);
    const stuck = altered(three, { release: () => never });
    const store = new QuorumStore([one, two, stuck], { timeout: 1_000 });
    assert.equal((await store.acquire('import', token, 60_000)).granted, true);
    assert.equal(await store.release('import', token), true);
    await three.release('import', token);
    assert.equal((await store.acquire('import', token, 60_000)).granted, true);
    await assertFree(three, 'import');
    assert.equal(await store.release('import', token), true);
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
          if (wait) await delay(wait);
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
        return tryAcquire(new QuorumStore(view), 'import');
      });
      const leases = (await Promise.all(outcomes)).filter((lease) => lease !== null);
      assert.equal(leases.length, 1);
      assert.equal(await leases[0]?.release(), true);
      for (const member of members) await assertFree(member, 'import');
    });
  }

  test('with a silent member too', async () => {
    const members = memories(5);
    const outcomes = [0, 1].map((contender) => {
      const view = reachedFirst(members, (index) => index % 2 === contender);
      const four = memberIn('silent', members[4] as MemoryStore);
      const store = new QuorumStore([...view.slice(0, 4), four], { timeout: 60_000 });
      return tryAcquire(store, 'import', { ttl: 3_600_000 });
    });
    const start = performance.now();
    const leases = (await Promise.all(outcomes)).filter((lease) => lease !== null);
    assert.equal(leases.length, 1);
    assert.ok(performance.now() - start < 5_000, 'nobody waited for the silent one');
    assert.equal(await leases[0]?.release(), true);
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
      const lease = await tryAcquire(store, 'import', { ttl: 3_600_000 });
      assert.equal(await lease?.release(), true);
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
    const attempt = await new QuorumStore(members).acquire('import', token, 60_000);
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
    await eventually('all are left', () => members.every(({ watchers }) => watchers.size === 0));
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
    await eventually('all are left', () => one.watchers.size + two.watchers.size === 0);
  });
});

test('quorum: arguments that cannot be meant are refused', () => {
  const member = new MemoryStore();
  for (const [stores, message] of [
    [[], /not an empty one/],
    [undefined, /not undefined/],
    [member, /list of stores/],
    [[member, undefined], /Store 2 of a quorum must be a LockStore, not undefined/],
    [[member, {}], /Store 2/],
    [[member, 'redis://localhost'], /not string/],
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
