/** What the conformance suite refuses, and what it finds out: each case that only a broken store fails. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt, LockStore } from '../../src/index.js';
import { MemoryStore } from '../../src/stores/memory.js';
import { basics } from '../../src/testing/basics.js';
import { connections } from '../../src/testing/connections.js';
import { expiry } from '../../src/testing/expiry.js';
import { altered, eventually } from '../../src/testing/fixture.js';
import { inTurn } from '../../src/testing/in-turn.js';
import { testStore } from '../../src/testing/index.js';
import { persistence } from '../../src/testing/persistence.js';
import { Pulse, steadily } from '../../src/testing/pulse.js';
import { repeats } from '../../src/testing/repeats.js';
import { runCase } from '../../src/testing/run-case.js';
import { watching } from '../../src/testing/watching.js';

const create = () => ({ store: new MemoryStore() });

test('a case to skip that there is not', () => {
  const skip = { 'first come, last served': 'for no reason' };
  assert.throws(() => testStore({ name: 'skipping', create, skip }), {
    name: 'RangeError',
    message: 'There are no such cases: first come, last served',
  });
});

test('an option that there is not, no name, no function that creates the store', () => {
  const wrong: [unknown, RegExp][] = [
    [
      { name: 'misspelt', create, quue: true },
      /^testStore has no option quue; it takes name, create,/,
    ],
    [{ create }, /^testStore needs a name$/],
    [{ name: 'nothing' }, /^testStore needs a function `create`$/],
    [undefined, /^testStore needs a name$/],
  ];
  for (const [subject, message] of wrong) {
    assert.throws(() => testStore(subject as never), { name: 'TypeError', message });
  }
});

test('cases of a kind that there is not', () => {
  assert.throws(() => testStore({ name: 'choosing', create, cases: 'some' as never }), {
    name: 'RangeError',
    message: "cases is 'all' or 'essential', not \"some\"",
  });
});

const cases = [
  ...basics,
  ...expiry,
  ...connections,
  ...repeats,
  ...inTurn,
  ...watching,
  ...persistence,
];

/** Runs a case on a store, of which `restart` leaves what it returns. */
async function run(title: string, store: LockStore, restart = (): LockStore => store) {
  const found = cases.find((each) => each.title === title);
  assert.ok(found, title);
  await runCase(found.run, {
    store,
    other: store,
    connections: Array.from({ length: 20 }, () => store),
    restart: async () => restart(),
    step: 1,
    fence: true,
    watch: true,
    lock: title,
  });
}

test('a case that fails while its store stands still begins anew, twice at most', async () => {
  let isStill = false;
  const memory = new MemoryStore();
  const store = altered(memory, {
    async acquire(...request) {
      while (isStill) await delay(10);
      return memory.acquire(...request);
    },
  });
  const pulse = new Pulse(store, 'pulse');
  /** How often a case is run that fails `times` times, while the store stands still if it is `still`. */
  const runs = async (times: number, still: boolean): Promise<number> => {
    let count = 0;
    const run = async () => {
      count += 1;
      isStill = still;
      if (still) await eventually('it is noticed', () => pulse.hasStalledSince(performance.now()));
      isStill = false;
      if (count <= times) throw new RangeError('of the case');
    };
    const again = (error: unknown) => assert.ok(error instanceof RangeError);
    await steadily(pulse, run, again).catch((error) => assert.ok(error instanceof RangeError));
    await eventually('it goes on', () => !pulse.hasStalledSince(performance.now()));
    return count;
  };
  assert.equal(await runs(2, true), 3);
  assert.equal(await runs(3, true), 3);
  assert.equal(await runs(1, false), 1);
  assert.equal(await runs(0, true), 1);
  await pulse.stop();
});

test('what a case watches is watched no longer when it has ended, also where it fails', async () => {
  const memory = new MemoryStore();
  let watches = 0;
  const store = altered(memory, {
    async watch(...request) {
      const watch = await memory.watch(...request);
      watches += 1;
      return {
        async [Symbol.asyncDispose]() {
          watches -= 1;
          await watch[Symbol.asyncDispose]();
        },
      };
    },
  });
  const title = 'a token that asks again keeps its place';
  await run(title, store);
  assert.equal(watches, 0);
  const failing = altered(store, {
    async acquire(...request) {
      assert.equal(watches, 2);
      throw new RangeError(`of ${request[0]}`);
    },
  });
  await assert.rejects(run(title, failing), RangeError);
  assert.equal(watches, 0);
});

interface Row {
  token: string;
  end: number;
}
type State = 'fresh' | 'released' | 'lapsed';

/** Locks in rows; it looks, and writes later, where a row is in one state: others look meanwhile. */
class HastyStore implements LockStore {
  readonly #rows = new Map<string, Row>();
  readonly #hasty: State;

  constructor(hasty: State) {
    this.#hasty = hasty;
  }

  async acquire(name: string, token: string, ttl: number): Promise<Attempt> {
    const row = this.#rows.get(name);
    const isOurs = row?.token === token;
    const isHeld = row !== undefined && row.token !== '' && row.end > performance.now();
    if (isHeld && !isOurs) return { granted: false };
    const state = !row ? 'fresh' : row.token === '' ? 'released' : 'lapsed';
    if (state === this.#hasty) await delay(1);
    this.#rows.set(name, { token, end: performance.now() + ttl });
    return { granted: true };
  }

  async extend(name: string, token: string): Promise<boolean> {
    return this.#rows.get(name)?.token === token;
  }

  async release(name: string, token: string): Promise<boolean> {
    const row = this.#rows.get(name);
    if (row?.token !== token) return false;
    row.token = '';
    return true;
  }
}

const held = {
  fresh: 'many ask at once for a lock that nobody has ever held: one is granted',
  released: 'many ask at once for a lock that was released: one is granted',
  lapsed: 'many ask at once for a lock whose life has ended: one is granted',
};

describe('a store that looks, and writes later', { concurrency: true }, () => {
  for (const hasty of Object.keys(held) as State[]) {
    for (const [state, title] of Object.entries(held)) {
      const isCaught = state === hasty;
      test(`hasty with what is ${hasty}: ${isCaught ? 'fails' : 'passes'} that of ${state}`, async () => {
        const running = run(title, new HastyStore(hasty));
        if (isCaught) await assert.rejects(running, /\d+ of 20 were granted/);
        else await running;
      });
    }
  }
});

type Broken = [what: string, title: string, store: LockStore, restart?: () => LockStore];

/** Ways to break a store, each with the case that finds it out. */
const broken: readonly Broken[] = [
  [
    'a repeated acquire lengthens the life',
    'asked for again by its holder, with a longer ttl, a lock lapses when it would have',
    lengthening('acquire'),
  ],
  [
    'a repeated acquireShared lengthens the life',
    'asked for again by its holder, with a longer ttl, a lock lapses when it would have',
    lengthening('acquireShared'),
  ],
  [
    'an extension tells whether it has changed anything',
    'an extension that is repeated in the same moment finds the lock ours',
    tellingChanges(),
  ],
  [
    'an extension revives what has expired',
    'an expired lock is nobody’s, also before another takes it: not extended, not released',
    keepingExpired('extend'),
  ],
  [
    'a release finds what has expired',
    'an expired lock is nobody’s, also before another takes it: not extended, not released',
    keepingExpired('release'),
  ],
  [
    'the first digit of a token is not kept',
    'tokens that differ in one digit are two holders',
    cutting((token) => token.slice(1)),
  ],
  [
    'the last digit of a token is not kept',
    'tokens that differ in one digit are two holders',
    cutting((token) => token.slice(0, -1)),
  ],
  [
    'a release wakes those alone who were refused',
    'who begins to watch a lock that is held is woken by its release, without having asked',
    wakingTheRefused(),
  ],
  [
    'a life of less than 20 ms counts as none',
    'the first behind a promise is always told how long it still lasts, or never',
    forgettingTheEnd(),
  ],
  ...[
    'a lock outlives a restart, with its holder, its life and its fence',
    'a fence outlives its lock and a restart',
    'those who hold a lock together outlive a restart',
  ].map(
    (title): Broken => ['a restart empties it', title, new MemoryStore(), () => new MemoryStore()],
  ),
];

describe('a broken store is found out', { concurrency: true }, () => {
  for (const [what, title, store, restart] of broken) {
    test(`${what}: ${title}`, async () => {
      await assert.rejects(run(title, store, restart), { code: 'ERR_ASSERTION' });
      await run(title, new MemoryStore());
    });
  }
});

function lengthening(method: 'acquire' | 'acquireShared'): LockStore {
  const store = new MemoryStore();
  return altered(store, {
    async [method](name: string, token: string, ttl: number, ...rest: [number]) {
      const attempt = await store[method](name, token, ttl, ...rest);
      if (attempt.granted) await store.extend(name, token, ttl);
      return attempt;
    },
  });
}

/** As a database does that counts rows: the same end, in whole milliseconds, is no change. */
function tellingChanges(): LockStore {
  const store = new MemoryStore();
  let last = 0;
  return altered(store, {
    async extend(name, token, ttl) {
      const end = Math.floor(performance.now()) + ttl;
      const isChanged = end !== last;
      last = end;
      return (await store.extend(name, token, ttl)) && isChanged;
    },
  });
}

/** It looks whose a lock was last, and not whether that has ended. */
function keepingExpired(method: 'extend' | 'release'): LockStore {
  const store = new MemoryStore();
  const last = new Map<string, string>();
  return altered(store, {
    async acquire(name, token, ...rest) {
      const attempt = await store.acquire(name, token, ...rest);
      if (attempt.granted) last.set(name, token);
      return attempt;
    },
    async [method](name: string, token: string, ttl: number) {
      const request =
        method === 'extend' ? store.extend(name, token, ttl) : store.release(name, token);
      return (await request) || last.get(name) === token;
    },
  });
}

function cutting(cut: (token: string) => string): LockStore {
  const store = new MemoryStore();
  return altered(store, {
    acquire: (name, token, ttl) => store.acquire(name, cut(token), ttl),
    extend: (name, token, ttl) => store.extend(name, cut(token), ttl),
    release: (name, token) => store.release(name, cut(token)),
  });
}

/** As one that rounds down, and takes 0 for a life that is not known. */
function forgettingTheEnd(): LockStore {
  const store = new MemoryStore();
  return altered(store, {
    async acquire(...request) {
      const attempt = await store.acquire(...request);
      if (attempt.granted || Number(attempt.retryAfter) > 20) return attempt;
      return { ...attempt, retryAfter: undefined };
    },
  });
}

function wakingTheRefused(): LockStore {
  const store = new MemoryStore();
  let isAwaited = false;
  return altered(store, {
    async acquire(...request) {
      const attempt = await store.acquire(...request);
      isAwaited ||= !attempt.granted;
      return attempt;
    },
    watch: (name, wake) => store.watch(name, (news) => isAwaited && wake(news)),
  });
}
