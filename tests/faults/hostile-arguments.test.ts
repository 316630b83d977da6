/**
 * Arguments that are anything at all: anything invalid is a TypeError or RangeError before any
 * request, and any name that can be is a lock of its own. DLOCK_FUZZ_RUNS: how many of each kind.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  acquire,
  acquireAll,
  adopt,
  DlockError,
  type LockStore,
  locked,
  once,
  tryAcquire,
} from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { MemoryStore } from 'dlock-js/memory';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import fc from 'fast-check';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import { readArguments, UsageError } from '../../src/cli/arguments.js';
import { placesOf, secretsOf } from '../../src/cli/store-url.js';
import { altered, thief } from '../../src/testing/fixture.js';
import { singleServers } from './kinds.js';

const runs = Number(process.env.DLOCK_FUZZ_RUNS ?? 200);

/** A store that counts what it is asked, and grants it. */
function countingStore(options: object = {}) {
  const memory: LockStore = new MemoryStore();
  const asked = { requests: 0 };
  const store = altered(memory, {
    acquire: (...request) => {
      asked.requests += 1;
      return memory.acquire(...request);
    },
    extend: (...request) => {
      asked.requests += 1;
      return memory.extend(...request);
    },
    ...options,
  });
  return { store, asked };
}

/** A TypeError or RangeError of ours, which says what was received. */
function assertRefusal(error: unknown): asserts error is Error {
  assert.ok(error instanceof TypeError || error instanceof RangeError, `${error}`);
  assert.match(error.message, /, not |^Unknown option |^Store \d+ of a quorum /);
}

/** Refused before any request, or granted: where the life is too short to be had, in vain. */
async function assertRefusedOrGranted(
  attempt: () => Promise<unknown>,
  asked: { requests: number },
): Promise<void> {
  const before = asked.requests;
  try {
    const outcome = await attempt();
    if (outcome && typeof outcome === 'object' && 'release' in outcome) {
      await (outcome as { release(): Promise<boolean> }).release();
    }
  } catch (error) {
    if (asked.requests > before && error instanceof DlockError) return;
    assertRefusal(error);
    assert.equal(asked.requests, before, 'refused before any request');
  }
}

const anything = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true });
const time = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.constantFrom('1000', null, -0, 2 ** 53),
  anything,
);

describe('arguments that are anything', () => {
  test('names', async () => {
    const { store, asked } = countingStore();
    const property = fc.asyncProperty(anything, async (name) => {
      await assertRefusedOrGranted(() => tryAcquire(store, name as string), asked);
      await assertRefusedOrGranted(() => locked(store, name as string, () => {}), asked);
      await assertRefusedOrGranted(() => acquireAll(store, name as string[]), asked);
      await assertRefusedOrGranted(() => acquireAll(store, ['a', name as string]), asked);
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('options, and their values', async () => {
    const options = fc.oneof(
      anything,
      fc.record(
        { ttl: time, renew: anything, minHold: time, wait: time, signal: anything, retain: time },
        { requiredKeys: [] },
      ),
    );
    const property = fc.asyncProperty(options, async (given) => {
      const { store, asked } = countingStore();
      await assertRefusedOrGranted(() => tryAcquire(store, 'a', given as object), asked);
      await assertRefusedOrGranted(() => acquire(store, 'b', given as object), asked);
      await assertRefusedOrGranted(() => locked(store, 'c', () => {}, given as object), asked);
      await assertRefusedOrGranted(() => acquireAll(store, ['e', 'f'], given as object), asked);
      await assertRefusedOrGranted(
        () => once(store, 'd', 'period', () => {}, given as object),
        asked,
      );
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('stores, their times, and bodies', async () => {
    const property = fc.asyncProperty(anything, time, time, async (store, ttl, timeout) => {
      await assertRefusedOrGranted(() => tryAcquire(store as LockStore, 'a'), { requests: 0 });
      const odd = countingStore({ ttl, timeout });
      await assertRefusedOrGranted(() => tryAcquire(odd.store, 'a'), odd.asked);
      const { store: sound, asked } = countingStore();
      await assertRefusedOrGranted(() => locked(sound, 'a', store as () => void), asked);
      await assertRefusedOrGranted(() => once(sound, 'a', store as string, () => {}), asked);
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('tickets: nothing but the right one adopts, and no token is in a message', async () => {
    const hex = fc.string({
      unit: fc.constantFrom(...'0123456789abcdef'),
      minLength: 32,
      maxLength: 32,
    });
    const ticket = fc.oneof(
      anything,
      fc.record(
        {
          name: fc.oneof(fc.constant('held'), anything),
          token: fc.oneof(hex, fc.string(), anything),
          ttl: time,
          fence: time,
        },
        { requiredKeys: [] },
      ),
    );
    const property = fc.asyncProperty(ticket, async (given) => {
      const { store, asked } = countingStore();
      await using holder = await tryAcquire(store, 'held', { ttl: 60_000 });
      asked.requests = 0;
      try {
        const lease = await adopt(store, given as never);
        assert.equal(lease, null);
      } catch (error) {
        assertRefusal(error);
        assert.equal(asked.requests, 0);
        const { token } = (given ?? {}) as { token?: unknown };
        if (typeof token === 'string' && token.length > 8) {
          assert.ok(!error.message.includes(token), error.message);
        }
      }
      assert.equal(holder?.held, true);
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('what extends and releases', async () => {
    const property = fc.asyncProperty(time, async (given) => {
      // A life of milliseconds may be over before the answer has come.
      fc.pre(!Number.isInteger(given) || Number(given) <= 0 || Number(given) > 60_000);
      const { store } = countingStore();
      const lease = await tryAcquire(store, 'a');
      assert.ok(lease);
      await lease.extend(given as number).catch(assertRefusal);
      assert.equal(lease.held, true);
      await lease.release({ after: given as number }).catch(assertRefusal);
      await lease.release();
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('stores: their clients and options', () => {
    const [redis, memcache] = [createClient(), new MemcacheClient({ server: '127.0.0.1:1' })];
    const options = fc.oneof(
      anything,
      fc.record({ prefix: anything, ttl: time, timeout: time }, { requiredKeys: [] }),
    );
    const property = fc.property(options, anything, (given, other) => {
      for (const create of [
        () => new RedisStore(redis, given as object),
        () => new MemcacheStore(memcache, given as object),
        () => new MemoryStore(given as object),
        () => new FileStore('locks', given as object),
        () => new QuorumStore([new MemoryStore()], given as object),
        () => new FileStore(other as string),
        () => new RedisStore(other as never),
        () => new IoredisStore(other as never),
        () => new MemcacheStore(other as never),
        () => new QuorumStore(other as never),
      ]) {
        try {
          create();
        } catch (error) {
          assertRefusal(error);
        }
      }
    });
    fc.assert(property, { numRuns: runs });
  });

  test('requests to a store by somebody else than Dlock', async () => {
    const store = new MemoryStore();
    const property = fc.asyncProperty(anything, anything, async (token, ttl) => {
      fc.pre(typeof token !== 'string' || token === '' || typeof ttl !== 'number' || !(ttl >= 0));
      for (const operation of ['acquire', 'extend'] as const) {
        await assert.rejects(store[operation]('a', token as string, ttl as number), TypeError);
      }
    });
    await fc.assert(property, { numRuns: runs });
  });

  test('arguments of the command, and the URL of its store', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('--', '--ttl', '--wait', '--once', '-E', '-q', '--store', 'name', '1s', '0'),
    );
    const url = fc.oneof(
      fc.string(),
      fc
        .tuple(
          fc.constantFrom('redis', 'rediss', 'memcache', 'file', 'redis+unix', 'redis+cluster'),
          fc.string({ unit: fc.constantFrom(...':/@?#%[],=25ab\0é') }),
        )
        .map(([scheme, rest]) => `${scheme}://${rest}`),
    );
    const property = fc.property(fc.array(word), url, (words, url) => {
      for (const read of [
        () => readArguments(words, { DLOCK_STORE: url }),
        () => placesOf(url).map((place) => [place.name, place.identities()]),
      ]) {
        try {
          read();
        } catch (error) {
          assert.ok(error instanceof UsageError, `${error}`);
          assert.ok(!/\n/.test(error.message), 'one line');
        }
      }
      secretsOf(url);
    });
    fc.assert(property, { numRuns: runs });
  });
});

/** All characters, near-misses of each other, and pieces of protocols and paths. */
const anyName = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.string({
      unit: fc.constantFrom('\0', '\r\n', ' ', '{', '}', '/', '.', '%', 'a', 'A', '\u0301'),
    }),
    fc.string({ unit: 'grapheme', minLength: 200, maxLength: 300 }),
  )
  .filter((name) => name !== '' && name.isWellFormed());
const several = { minLength: 2, maxLength: 20 };
/** What reaches a store: names of callers, and the library's own, which begin with NUL. */
const names = fc.uniqueArray(anyName, several);
const callersNames = fc.uniqueArray(
  anyName.filter((name) => !name.startsWith('\0')),
  several,
);

const holder = 'a'.repeat(32);

describe('names are any text', { concurrency: true }, () => {
  async function assertDistinct(store: LockStore): Promise<void> {
    const numRuns = Math.ceil(runs / 10);
    const callers = fc.asyncProperty(callersNames, async (all) => {
      const leases = await Promise.all(all.map((name) => tryAcquire(store, name, { ttl: 60_000 })));
      assert.ok(leases.every((lease) => lease !== null));
      for (const name of all) assert.equal(await tryAcquire(store, name), null);
      for (const lease of leases) assert.equal(await lease?.release(), true);
    });
    await fc.assert(callers, { numRuns });
    const granted = async (all: string[], token: string) => {
      const answers = await Promise.all(all.map((name) => store.acquire(name, token, 60_000)));
      return answers.filter((answer) => answer.granted).length;
    };
    const directly = fc.asyncProperty(names, async (all) => {
      assert.equal(await granted(all, holder), all.length);
      assert.equal(await granted(all, thief), 0);
      for (const name of all) assert.equal(await store.release(name, holder), true);
    });
    await fc.assert(directly, { numRuns });
  }

  for (const { name, startServer, open } of singleServers) {
    test(`${name}: distinct locks`, async () => {
      await using server = await startServer();
      await using mine = await open([server.port]);
      await assertDistinct(mine.store);
    });
  }

  test('file: distinct locks, all inside the directory', async () => {
    const root = await mkdtemp(join(tmpdir(), 'dlock-names-'));
    await assertDistinct(new FileStore(join(root, 'inner')));
    assert.deepEqual(await readdir(root), ['inner']);
    await rm(root, { recursive: true });
  });
});
