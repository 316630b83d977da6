/** MemoryStore, the reference implementation of the contract. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryStore } from '../../../src/stores/memory.js';
import { testStore } from '../../../src/testing/index.js';

testStore({
  name: 'MemoryStore',
  queue: true,
  sharing: true,
  create: () => ({ store: new MemoryStore() }),
});

test('memory: two stores share nothing', async () => {
  const [one, two] = [new MemoryStore(), new MemoryStore()];
  assert.equal((await one.acquire('import', 'a', 1_000)).granted, true);
  assert.equal((await two.acquire('import', 'b', 1_000)).granted, true);
});

test('memory: names whose life has ended are forgotten', async () => {
  const store = new MemoryStore();
  for (let index = 0; index < 2_500; index++) await store.acquire(`${index}`, 'a', 1);
  const { heapUsed } = process.memoryUsage();
  for (let index = 0; index < 200_000; index++) await store.acquire(`name ${index}`, 'a', 1);
  globalThis.gc?.();
  assert.ok(process.memoryUsage().heapUsed - heapUsed < 20e6);
});
