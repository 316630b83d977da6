/** QuorumStore while its servers do not answer, are killed, or come back empty. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type LockStore, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { MemcacheStore } from 'dlock-js/memcache';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { MemcacheClient } from 'memcache-client';
import { eventually } from '../../src/testing/fixture.js';
import { listAll } from '../support/listing.js';
import { startMemcached, startRedis } from '../support/servers.js';
import { assertUnavailable, connect, cycle, startServers } from './quorum-servers.js';

const { servers, raw, members, nothingIsLeft } = await startServers();

describe('quorum: servers that do not answer', async () => {
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
