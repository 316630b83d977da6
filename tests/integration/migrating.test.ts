/**
 * What docs/migrating.md says of the libraries that people come from, with those libraries: on Redis, their
 * locks and ours are the same keys, so that a fleet can be moved while both are in use.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquire, type DlockEvents, locked, once, tryAcquire, tryAcquireAll } from 'dlock-js';
import { Redis } from 'ioredis';
import { eventually } from '../../src/testing/fixture.js';
import { redisClients } from '../support/clients.js';
import { sharedRedis } from '../support/servers.js';
import { connectIoredis, onOneServer } from './other-libraries.js';

const url = await sharedRedis();
const probe = new Redis(url);
after(() => probe.disconnect());

let names = 0;
/** The name of a lock that nobody else uses. */
const newName = () => `migrating ${process.pid} ${++names}`;

const long = 60_000;
/** A life that ends during a test; on a busy machine an answer may take a second. */
const short = 2_500;

/** Resolves once a lease on `name` has been renewed so many times. */
function renewals(name: string, times: number): Promise<void> {
  return new Promise((resolve) => {
    let left = times;
    const count = (event: unknown) => {
      if ((event as DlockEvents['renewed']).name !== name || --left > 0) return;
      unsubscribe('dlock:renewed', count);
      resolve();
    };
    subscribe('dlock:renewed', count);
  });
}

/** Loaded before the first test: until all are, the event loop is blocked for seconds on a busy machine. */
const clients = await Promise.all(
  Object.entries(redisClients).map(
    async ([client, connect]) => [client, await connect(url)] as const,
  ),
);
after(() => Promise.all(clients.map(([, opened]) => opened[Symbol.asyncDispose]())));

const pairs = Object.entries(onOneServer).flatMap(([library, other]) =>
  clients.map(([client, opened]) => ({ library, other, client, opened })),
);

describe('on one server', { concurrency: 5 }, () => {
  for (const { library, other, client, opened } of pairs) {
    const options = { concurrency: 10 };
    describe(`${library}, and Dlock through ${client}`, options, () => {
      const { prefix } = other;
      const theirs = [connectIoredis(url, client === 'ioredis 5' ? '5' : '6')];
      const store = opened.createStore({ prefix });
      after(() => {
        for (const each of theirs) each.disconnect();
      });
      const tryTheirs = (name: string, ttl = long) => other.tryLock(theirs, name, ttl);

      test('while theirs holds, ours is refused; released, ours is granted', async () => {
        const name = newName();
        const old = await tryTheirs(name);
        assert.ok(old);
        assert.equal(await probe.get(prefix + name), old.value);
        assert.equal(await tryAcquire(store, name), null);
        assert.equal(await tryAcquire(store, name, { limit: Infinity }), null);
        assert.equal(await tryAcquireAll(store, ['free', name]), null);
        assert.deepEqual(await locked(store, name, () => 1), { ran: false, reason: 'held' });
        assert.deepEqual(await once(store, name, 'a period', () => 1), {
          ran: false,
          reason: 'held',
        });
        assert.notEqual(await old.release(), false);
        await using lease = await tryAcquire(store, name);
        assert.equal(await probe.get(prefix + name), lease?.token);
      });

      test('while ours holds, theirs is refused; released, theirs is granted', async () => {
        const name = newName();
        const lease = await acquire(store, name);
        assert.equal(await tryTheirs(name), null);
        assert.equal(await lease.release(), true);
        const old = await tryTheirs(name);
        assert.equal(await probe.get(prefix + name), old?.value);
        assert.notEqual(await old?.release(), false);
      });

      test('while ours is shared, theirs is refused until the last has left', async () => {
        const name = newName();
        const [one, two] = [
          await acquire(store, name, { limit: 2 }),
          await acquire(store, name, { limit: 2 }),
        ];
        for (const lease of [one, two]) {
          assert.equal(await tryTheirs(name), null);
          assert.equal(await lease.release(), true);
        }
        assert.notEqual(await (await tryTheirs(name))?.release(), false);
      });

      test('renewed, each keeps the other out', async () => {
        const name = newName();
        const old = await tryTheirs(name, 10_000);
        assert.equal(await old?.extend(long), true);
        assert.ok((await probe.pttl(prefix + name)) > 10_000);
        assert.equal(await tryAcquire(store, name), null);
        assert.notEqual(await old?.release(), false);

        const renewed = renewals(name, 4);
        await using lease = await acquire(store, name, { ttl: short });
        const refusals = [];
        do refusals.push(await tryTheirs(name));
        while (await Promise.race([renewed.then(() => false), sleep(20, true)]));
        assert.ok(refusals.every((refusal) => refusal === null));
        assert.equal(lease.held, true);
      });

      test('theirs has lapsed: ours is granted, and a late extension or release of theirs changes nothing', async () => {
        const name = newName();
        const old = await tryTheirs(name, short);
        await using lease = await acquire(store, name, { wait: long });
        assert.equal(await old?.extend(long), false);
        await old?.release();
        assert.equal(await probe.get(prefix + name), lease.token);
        await lease.extend();
        assert.equal(lease.held, true);
      });

      test('ours has lapsed: theirs is granted, and a late extension or release of ours changes nothing', async () => {
        const name = newName();
        const lease = await acquire(store, name, { ttl: short, renew: false });
        const old = await other.lock(theirs, name, long);
        assert.equal(await store.extend(name, lease.token, 1_000), false);
        assert.equal(await store.release(name, lease.token), false);
        assert.equal(await lease.release(), false);
        assert.equal(await probe.get(prefix + name), old.value);
        assert.ok((await probe.pttl(prefix + name)) > 10_000);
        assert.notEqual(await old.release(), false);
      });

      test('each waits for the other, and is granted once it has released', async () => {
        const name = newName();
        const old = await tryTheirs(name);
        const waiting = acquire(store, name, { wait: long });
        await eventually('ours is refused, and queues', async () => {
          return (await probe.exists(`\0\0\0\0${prefix}${name}`)) === 1;
        });
        await old?.release();
        const lease = await waiting;
        const theirTurn = other.lock(theirs, name, long);
        await lease.release();
        assert.notEqual(await (await theirTurn).release(), false);
      });

      test('a lock that is promised to the next of ours is theirs only if that one does not come', async () => {
        const name = newName();
        await using _ = await store.watch?.(name, () => {});
        const [token, next] = ['a'.repeat(32), 'b'.repeat(32)];
        await store.acquire(name, token, long);
        assert.equal((await store.acquire(name, next, long, 30_000)).granted, false);
        assert.equal(await store.release(name, token), true);
        if ((await probe.pttl(prefix + name)) > 500) assert.equal(await tryTheirs(name), null);
        const old = await other.lock(theirs, name, long);
        assert.equal((await store.acquire(name, next, long)).granted, false);
        assert.notEqual(await old.release(), false);
      });

      test('eight loops of theirs and of ours: one at a time, and all come to their end', async () => {
        const name = newName();
        let inside = 0;
        let sections = 0;
        const work = async () => {
          assert.equal(++inside, 1);
          await sleep(5);
          inside--;
          sections++;
        };
        const loops = Array.from({ length: 8 }, async (_, index) => {
          const isOurs = index % 2 === 0;
          const own = opened.createStore({ prefix });
          for (let round = 0; round < 10; round++) {
            if (isOurs) {
              await locked(own, name, work, { wait: long });
            } else {
              const old = await other.lock(theirs, name, long);
              // Whatever fails must not leave the others to wait until the lock has lapsed.
              await work().finally(() => old.release());
            }
          }
        });
        await Promise.all(loops);
        assert.equal(sections, 80);
      });
    });
  }
});
