/** QuorumStore asked by several at once, over real servers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type LockStore, tryAcquire } from 'dlock-js';
import { QuorumStore } from 'dlock-js/quorum';
import { altered, eventually } from '../../src/testing/fixture.js';
import { countTogether } from './many-processes.js';
import { startServers } from './quorum-servers.js';

const { servers, members, taken, nothingIsLeft } = await startServers();

describe('quorum: several at the same moment', () => {
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
