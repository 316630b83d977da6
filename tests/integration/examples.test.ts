/** The examples of sharing and of several locks do what they say. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { callPartner } from '../../examples/rate-limit.js';
import { acquireOne, tryAcquireOne } from '../../examples/slots.js';
import { type Accounts, transfer } from '../../examples/transfer.js';
import type { FileStore } from '../../src/stores/file/file.js';
import { twoStores } from './two-stores.js';

test('a partner is called no more often than it allows, by two servers', async () => {
  const stores = twoStores();
  const begun: number[] = [];
  const call = async () => void begun.push(performance.now());
  const rate = { calls: 2, within: 1_000 };
  await Promise.all(
    [0, 1, 2, 3, 4].map((index) => callPartner(stores[index % 2] as FileStore, call, rate)),
  );
  for (const [index, third] of begun.slice(2).entries()) {
    // The life counts from before the request, which a call comes after.
    const between = third - (begun[index] ?? NaN);
    assert.ok(between > 800, `three calls within ${between} ms`);
  }
});

test('of several of a kind each is given to one, and a wait ends with the signal', async () => {
  const [one, two] = twoStores();
  const gpus = ['gpu 0', 'gpu 1', 'gpu 2'];
  const leases = [
    await acquireOne(one, gpus),
    await acquireOne(two, gpus),
    await acquireOne(one, gpus),
  ];
  assert.deepEqual(leases.map(({ name }) => name).sort(), gpus);
  assert.equal(await tryAcquireOne(two, gpus), null);
  const controller = new AbortController();
  const waiting = acquireOne(two, gpus, controller.signal);
  controller.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  const served = acquireOne(two, gpus);
  await leases[1]?.release();
  assert.equal((await served).name, leases[1]?.name);
});

describe('transfers between accounts', () => {
  const open = () => {
    const balances = new Map([
      ['1', 100],
      ['2', 100],
    ]);
    const fences = new Map<string, number>();
    const accounts: Accounts = {
      async read(account) {
        await sleep(2);
        return balances.get(account) ?? 0;
      },
      async write(account, balance, fence = NaN) {
        await sleep(2);
        assert.ok(fence >= (fences.get(account) ?? 0), `${fence}`);
        fences.set(account, fence);
        balances.set(account, balance);
      },
    };
    return { balances, accounts };
  };

  test('in both directions at the same time, on two servers, lose nothing', async () => {
    const { balances, accounts } = open();
    const [one, two] = twoStores();
    const transfers = Array.from({ length: 20 }, (_, index) => {
      const there = { from: '1', to: '2', amount: 3 };
      const back = { from: '2', to: '1', amount: 1 };
      return transfer(index % 2 ? one : two, accounts, index % 4 < 2 ? there : back);
    });
    await Promise.all(transfers);
    assert.deepEqual(Object.fromEntries(balances), { 1: 80, 2: 120 });
  });

  test('of more than there is, and of an account to itself, change nothing', async () => {
    const { balances, accounts } = open();
    const [store] = twoStores();
    const tooMuch = transfer(store, accounts, { from: '1', to: '2', amount: 101 });
    await assert.rejects(tooMuch, /not enough in account 1/);
    await transfer(store, accounts, { from: '1', to: '1', amount: 50 });
    assert.deepEqual(Object.fromEntries(balances), { 1: 100, 2: 100 });
  });
});
