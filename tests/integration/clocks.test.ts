/** Servers whose clocks are minutes off: one after the other, each runs its hourly import. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { sharedMemcached, sharedRedis } from '../support/servers.js';
import { ended, startWorker } from '../support/workers.js';

const minutes = 60_000;

/** What came of the hour on a server whose clock is that far ahead. */
async function strike(url: string, ahead: number, name: string, way: string): Promise<string> {
  const file = new URL('./workers/late-server.ts', import.meta.url);
  const worker = startWorker(file, url, `${ahead}`, name, way);
  const [told] = await once(worker, 'message');
  assert.equal(await ended(worker), 0);
  return told;
}

for (const [store, address] of [
  ['redis', await sharedRedis()],
  ['memcached', `memcache://${await sharedMemcached()}`],
] as const) {
  for (const [way, outcome] of [
    ['a plain lock', 'imported'],
    ['minHold', 'held'],
    ['once', 'done'],
  ] as const) {
    test(`${store}, ${way}: three minutes late or early, the next server is told "${outcome}"`, async () => {
      const name = `clocks ${way} ${process.pid}`;
      assert.equal(await strike(address, 0, name, way), 'imported');
      assert.equal(await strike(address, -3 * minutes, name, way), outcome);
      assert.equal(await strike(address, 3 * minutes, name, way), outcome);
    });
  }
}
