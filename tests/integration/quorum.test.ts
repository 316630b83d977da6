/** QuorumStore over real servers that are killed, frozen, and asked by several at once. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type LockStore, StoreError, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { MemcacheStore } from 'dlock-js/memcache';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import { altered, eventually } from '../../src/testing/fixture.js';
import { testStore } from '../../src/testing/index.js';
import { listAll } from '../support/listing.js';
import { startMemcached, startRedis } from '../support/servers.js';
import { countTogether } from './many-processes.js';

const servers = await Promise.all(Array.from({ length: 5 }, () => startRedis()));

// What a quorum does in the background keeps no process alive; while tests wait for it, this does.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

const clients: { destroy(): void }[] = [];
after(() => {
  for (const client of clients) client.destroy();
});

/** A client that is soon back when its server is, and ends with the tests. */
async function connect(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: 20 } });
  client.on('error', () => {});
  clients.push(client);
  return client.connect();
}

const connectAll = () => Promise.all(servers.map(({ url }) => connect(url)));

/** The first of the servers, by connections of its own. */
async function members(size: number): Promise<LockStore[]> {
  return (await connectAll()).slice(0, size).map((client) => new RedisStore(client));
}

for (const size of [3, 5]) {
  testStore({
    name: `QuorumStore of ${size} Redis servers`,
    fence: false,
    cases: size === 3 ? 'all' : 'essential',
    async create() {
      const [one, two] = [await members(size), await members(size)];
      return { store: new QuorumStore(one), other: new QuorumStore(two) };
    },
  });
}

const raw = await connectAll();

/** The locks that are taken on any of the servers. */
async function taken(): Promise<string[]> {
  return (await Promise.all(raw.map((client) => client.keys('dlock:*')))).flat();
}

/** The conformance suite has thieves who never give back what they took. */
async function forget(): Promise<void> {
  await Promise.all(raw.map((client) => client.flushAll()));
}

function nothingIsLeft(): Promise<void> {
  return eventually('no key is left on any server', async () => (await taken()).length === 0);
}

/** Takes a lock, is kept out of it, and gives it back; what stayed behind would stay for long. */
async function cycle(store: LockStore, other: LockStore, name: string): Promise<void> {
  const lease = await tryAcquire(store, name, { ttl: 1_200_000 });
  assert.ok(lease, 'it can be taken');
  assert.equal(await tryAcquire(other, name, { ttl: 1_200_000 }), null);
  await lease.extend();
  assert.equal(await lease.release(), true);
}

async function assertUnavailable(store: LockStore, name: string): Promise<void> {
  const start = performance.now();
  await assert.rejects(tryAcquire(store, name, { ttl: 1_200_000 }), (error: Error) => {
    assert.ok(error instanceof StoreError, String(error));
    // Where the machine stood still, both limits have passed: that of a member, and its own.
    assert.match(error.message, /there is no majority|no answer within/);
    return true;
  });
  assert.ok(performance.now() - start < 30_000);
}

describe('quorum: servers that do not answer', async () => {
  before(forget);
  const [one, two] = [await members(5), await members(5)];
  // Were anybody waited for, it would be for so long that a test fails.
  const patient = new QuorumStore(one, { timeout: 120_000 });
  const other = new QuorumStore(two, { timeout: 120_000 });
  const hasty = new QuorumStore(one, { timeout: 500 });

  test('each set of frozen servers: a lease, at once, exactly when a majority answers', async () => {
    for (let set = 0; set < 2 ** servers.length; set++) {
      const frozen = servers.filter((_, index) => set & (1 << index));
      await Promise.all(frozen.map((server) => server.freeze()));
      try {
        const start = performance.now();
        if (frozen.length <= 2) {
          await cycle(patient, other, `frozen ${set}`);
          assert.ok(performance.now() - start < 10_000, 'nobody waited for the frozen ones');
        } else {
          await assertUnavailable(hasty, `frozen ${set}`);
        }
      } finally {
        await Promise.all(frozen.map((server) => server.thaw()));
      }
    }
    await nothingIsLeft();
  });

  test('killed one after the other, and brought back', async () => {
    const [a, b, c] = servers;
    assert.ok(a && b && c);
    await a.kill();
    await cycle(patient, other, 'one is dead');
    await b.kill();
    await cycle(patient, other, 'two are dead');
    await c.freeze();
    await assertUnavailable(hasty, 'two are dead, one is frozen');
    await c.kill();
    await assertUnavailable(hasty, 'three are dead');
    await c.restart();
    await eventually('three live again', () =>
      cycle(hasty, hasty, 'two are dead again').then(
        () => true,
        () => false,
      ),
    );
    await a.restart();
    await b.restart();
    await nothingIsLeft();
  });

  test('a lease outlives a minority, and not a majority', async () => {
    const [a, , , d, e] = servers;
    assert.ok(a && d && e);
    await d.kill();
    await using lease = await tryAcquire(new QuorumStore(one), 'kept', { ttl: 3_000 });
    assert.ok(lease);
    await e.freeze();
    const { signal } = lease;
    const start = performance.now();
    await eventually('it was renewed', () => performance.now() - start > 5_000 && lease.held);
    await a.kill();
    await eventually('it is lost', () => signal.aborted);
    assert.ok(Number(await raw[1]?.pTTL('dlock:kept')) > 0, 'before the servers let it go');
    await Promise.all([a.restart(), d.restart(), e.thaw()]);
    await nothingIsLeft();
  });
});

describe('quorum: several at the same moment', () => {
  before(forget);

  /** As seen by who reaches the servers at different times, and in another order each time. */
  function farApart(stores: LockStore[]): LockStore[] {
    return stores.map((store) =>
      altered(store, {
        async acquire(...request) {
          await delay(Math.random() * 4);
          return store.acquire(...request);
        },
      }),
    );
  }

  for (const [contenders, size] of [
    [2, 2],
    [2, 3],
    [2, 4],
    [3, 3],
    [4, 4],
    [4, 5],
  ] as const) {
    test(`${contenders} on ${size} servers: never two, mostly one, and in the end each of them`, async () => {
      const stores = await Promise.all(
        Array.from(
          { length: contenders },
          async () => new QuorumStore(farApart(await members(size))),
        ),
      );
      const rounds = 20;
      let won = 0;
      for (let round = 0; round < rounds; round++) {
        const name = `split ${contenders} ${size} ${round}`;
        const outcomes = await Promise.all(stores.map((store) => tryAcquire(store, name)));
        const leases = outcomes.filter((lease) => lease !== null);
        assert.ok(leases.length <= 1, `${leases.length} hold ${name}`);
        won += leases.length;
        for (const lease of leases) assert.equal(await lease.release(), true);
      }
      assert.ok(won > rounds / 2, `${won} of ${rounds} had a winner`);

      let holders = 0;
      const turn = async (store: LockStore) => {
        await using lease = await acquire(store, `turns ${contenders} ${size}`, { wait: 30_000 });
        assert.equal(++holders, 1);
        await delay(5);
        assert.ok(lease.held);
        holders -= 1;
      };
      await Promise.all(stores.map(turn));
      await nothingIsLeft();
    });
  }

  const list = servers.slice(0, 3).map(({ url }) => url);

  test('three processes count together', { timeout: 120_000 }, () =>
    countTogether(list.join(), 3, 20),
  );

  test('three processes count together while a server dies', { timeout: 120_000 }, async () => {
    const [, mortal] = servers;
    assert.ok(mortal);
    const counted = countTogether(list.join(), 3, 20);
    const dying = (async () => {
      await eventually('they have begun', async () => (await taken()).length > 0, 60_000);
      await mortal.kill();
    })();
    await Promise.all([counted, dying]);
    await mortal.restart();
    await nothingIsLeft();
  });
});

describe('quorum: members restarted one after the other, empty', () => {
  /** One that goes down and comes back without its votes. */
  interface Mortal {
    readonly store: LockStore;
    kill(): Promise<unknown>;
    restart(): Promise<unknown>;
    /** Whether it holds the lock for `token`, and not for somebody who only tries. */
    holds(token: string): Promise<boolean>;
  }

  /** A lease outlives each of them, and keeps everybody else out all the time. */
  async function roll(mortals: Mortal[]): Promise<void> {
    const stores = mortals.map(({ store }) => store);
    const terms = { ttl: 6_000 };
    await using lease = await tryAcquire(new QuorumStore(stores), 'rolling', terms);
    assert.ok(lease);
    const { token } = lease;
    const holds = (mortal: Mortal) => mortal.holds(token).catch(() => false);
    const votes = async () => (await Promise.all(mortals.map(holds))).filter(Boolean).length;

    let isOver = false;
    let refusals = 0;
    const compete = async () => {
      for (; !isOver; await delay(50)) {
        const other = await tryAcquire(new QuorumStore(stores), 'rolling', terms).catch(() => {});
        if (other === null) refusals += 1;
        await other?.release();
        assert.ok(!other, 'nobody else gets it');
      }
    };
    const competing = compete();
    competing.catch(() => {});

    try {
      for (const mortal of [...mortals, ...mortals]) {
        await eventually('all have a vote', async () => (await votes()) === mortals.length);
        await mortal.kill();
        await lease.extend();
        await mortal.restart();
        await eventually('it has its vote again', () => holds(mortal), 30_000);
        assert.equal(lease.held, true);
      }
    } finally {
      isOver = true;
    }
    await competing;
    assert.ok(refusals > 0);
    assert.equal(await lease.release(), true);
    await eventually('none of them holds it', async () => (await votes()) === 0);
  }

  async function redisServer(): Promise<Mortal> {
    const server = await startRedis();
    after(() => server.stop());
    const client = await connect(server.url);
    const holds = async (token: string) => (await client.get('dlock:rolling')) === token;
    return { ...server, holds, store: new RedisStore(client) };
  }

  test('three Redis servers: the lease is never lost', { timeout: 180_000 }, async () => {
    await roll(await Promise.all([redisServer(), redisServer(), redisServer()]));
  });

  test('Redis, Memcached and a directory: the lease is never lost', {
    timeout: 180_000,
  }, async () => {
    const memcached = await startMemcached();
    after(() => memcached.stop());
    const memcache = new MemcacheClient({ server: memcached.address });
    after(() => memcache.shutdown());
    const directory = await mkdtemp(join(tmpdir(), 'dlock-quorum-'));
    after(() => rm(directory, { recursive: true }));
    await roll([
      await redisServer(),
      {
        ...memcached,
        store: new MemcacheStore(memcache),
        async holds(token) {
          return (await memcache.get('dlock:rolling'))?.value === token;
        },
      },
      {
        store: new FileStore(directory),
        async kill() {
          for (const name of await readdir(directory)) {
            await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
          }
        },
        async restart() {},
        async holds(token) {
          return (await listAll(directory)).join().includes(token);
        },
      },
    ]);
  });
});

test('quorum: of Redis, Memcached and a directory', async () => {
  await using redis = await startRedis();
  await using memcached = await startMemcached();
  const directory = await mkdtemp(join(tmpdir(), 'dlock-quorum-'));
  after(() => rm(directory, { recursive: true }));
  const client = await connect(redis.url);
  const memcache = new MemcacheClient({ server: memcached.address });
  after(() => memcache.shutdown());
  const open = (timeout: number) =>
    new QuorumStore(
      [new RedisStore(client), new MemcacheStore(memcache), new FileStore(directory)],
      { timeout },
    );
  const store = open(120_000);

  await cycle(store, open(120_000), 'mixed');
  // A lock that nobody has held: a release is known before the slowest member has heard of it, which
  // would then refuse the next holder, and two of three are enough for a lease.
  const lease = await tryAcquire(store, 'known');
  assert.ok(lease);
  assert.equal(lease.fence, undefined);
  const holders = async () => {
    const names = await listAll(directory);
    return [
      (await client.get('dlock:known')) === lease.token,
      (await memcache.get('dlock:known'))?.value === lease.token,
      names.join().includes(lease.token),
    ];
  };
  await eventually('all three know the holder', async () => (await holders()).every(Boolean));
  assert.equal(await lease.release(), true);
  await eventually('none of them holds it', async () => !(await holders()).some(Boolean));

  await memcached.freeze();
  await cycle(store, open(120_000), 'without Memcached');
  await redis.kill();
  await assertUnavailable(open(500), 'with a directory alone');
  await memcached.thaw();
  await eventually('two of three are enough', () =>
    cycle(open(2_000), open(2_000), 'without Redis').then(
      () => true,
      () => false,
    ),
  );
});
