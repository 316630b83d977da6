/** Names of all kinds, and invalid arguments. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type LeaseOptions, tryAcquire } from 'dlock-js';
import { altered, assertTaken, type Case, eventually } from './fixture.js';

const long = 'n'.repeat(999);

/** Names that break what is built by joining strings: protocols, paths, patterns, objects. */
const oddNames = [
  ' ',
  'two words',
  'x\0',
  'x\0y',
  'tab\tnewline\n',
  'x\r\nset y 0 0 1\r\nz\r\n',
  '"quoted"',
  "it's",
  'back\\slash',
  '{brace}',
  '{',
  '}',
  '}{',
  '{}',
  '{}{a}',
  'a}b{c',
  '*',
  '[a-z]?',
  '%s%n',
  '$(id)',
  '../up',
  '..',
  '.',
  '/',
  'a/b',
  'a:b',
  'import',
  'Import',
  'IMPORT',
  'é',
  'e\u0301',
  '🔒',
  '__proto__',
  'constructor',
  '0',
  'f'.repeat(64),
  `${long}a`,
  `${long}b`,
  `${long}é`,
];

export const names: Case[] = [
  {
    title: 'any text is a name, and different texts are different locks',
    essential: true,
    async run({ store, other, lock }) {
      const random = Array.from({ length: 50 }, () => randomBytes(12).toString('latin1'));
      const all = [...oddNames, ...random]
        .flatMap((name) => [name, lock + name])
        .filter((name) => !name.startsWith('\0'));
      const leases = await Promise.all(all.map((name) => tryAcquire(store, name, { ttl: 60_000 })));
      for (const [index, lease] of leases.entries()) {
        assert.ok(lease, `${JSON.stringify(all[index])} is a lock of its own`);
        await assertTaken(other, lease.name);
      }
      for (const lease of leases) assert.equal(await lease?.release(), true, lease?.name);
    },
  },
  {
    title: 'names that begin with NUL, the library’s own, are locks apart from all others',
    essential: true,
    async run({ store, other, lock }) {
      const own = ['\0', '\0\0', '\0{a}', '\0\r\n', `\0${lock}`, `\0\0${lock}`];
      const all = [lock, ...own, `\0\0${JSON.stringify([lock, 'period'])}`];
      for (const [index, name] of all.entries()) {
        const token = `${index}`.repeat(32);
        assert.equal(
          (await store.acquire(name, token, 60_000)).granted,
          true,
          JSON.stringify(name),
        );
      }
      for (const [index, name] of all.entries()) {
        const token = `${index}`.repeat(32);
        assert.equal(await other.extend(name, token, 60_000), true, JSON.stringify(name));
        assert.equal(await other.release(name, token), true, JSON.stringify(name));
      }
    },
  },
  {
    title: 'invalid names and options are refused before any request',
    async run({ store, lock }) {
      const requests: string[] = [];
      const watched = altered(store, {
        async acquire(name) {
          requests.push(name);
          return { granted: false };
        },
      });
      const refused = async (
        name: unknown,
        options: unknown,
        type: typeof TypeError | typeof RangeError,
        received: RegExp,
      ) => {
        const attempt = tryAcquire(watched, name as string, options as LeaseOptions);
        await assert.rejects(attempt, (error: Error) => {
          assert.ok(error instanceof type, String(error));
          assert.match(error.message, received);
          return true;
        });
      };
      await refused('', {}, TypeError, /not ""/);
      await refused(42, {}, TypeError, /42/);
      await refused('a\ud800b', {}, TypeError, /well-formed/);
      await refused(`\0${lock}`, {}, TypeError, /begin with NUL/);
      await refused(lock, { wait: 5_000 }, TypeError, /"wait".*it takes ttl/);
      await refused(lock, { retries: 3 }, TypeError, /"retries"/);
      await refused(lock, null, TypeError, /null/);
      await refused(lock, { ttl: 0 }, RangeError, /not 0$/);
      await refused(lock, { ttl: -5 }, RangeError, /-5/);
      await refused(lock, { ttl: NaN }, RangeError, /NaN/);
      await refused(lock, { ttl: Infinity }, RangeError, /Infinity/);
      await refused(lock, { ttl: 1.5 }, RangeError, /1\.5/);
      await refused(lock, { ttl: '1000' }, TypeError, /"1000"/);
      await refused(
        lock,
        { ttl: (store.maxTtl ?? Number.MAX_SAFE_INTEGER) + 1 },
        RangeError,
        /\d{7}/,
      );
      await refused(lock, { minHold: -1 }, RangeError, /-1/);
      await refused(lock, { ttl: 10, minHold: 11, renew: false }, RangeError, /11/);
      await refused(lock, { renew: 'yes' }, TypeError, /"yes"/);
      await refused(lock, { signal: {} }, TypeError, /Object/);
      assert.deepEqual(requests, []);
    },
  },
  {
    title: 'the shortest life is rounded up to what the store can represent, and ends',
    essential: true,
    async run({ store, lock, step }) {
      assert.equal((await store.acquire(lock, 'a'.repeat(32), 1)).granted, true);
      const free = async () => (await store.acquire(lock, 'b'.repeat(32), 60_000)).granted;
      await eventually('a life of 1 ms ends', free, 3 * step + 1_000);
      await store.release(lock, 'b'.repeat(32));
    },
  },
  {
    title: 'the longest life that the store names is possible',
    essential: true,
    async run({ store, other, lock }) {
      const ttl = store.maxTtl ?? 10 * 365 * 24 * 3_600_000;
      const lease = await tryAcquire(store, lock, { ttl });
      assert.ok(lease);
      await assertTaken(other, lock);
      await lease.extend();
      assert.equal(await lease.release(), true);
    },
  },
];
