/** Processes that loop over a lock of a store without a queue: none of them starves. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { temporaryDirectory } from '../support/servers/directories.js';
import { sharedMemcached, sharedRedis } from '../support/servers.js';
import { startTaker } from './turn-taker.js';

/** On a quiet machine the least has more than half of its share. Without courtesy, one has nearly all. */
describe('without a queue: four processes that take turns', { concurrency: true }, () => {
  const stores: { [title: string]: () => Promise<string> } = {
    Memcached: async () => `memcache://${await sharedMemcached()}`,
    'a pool of Redis clients': async () => (await sharedRedis()).replace('redis:', 'redis+pool:'),
    files: async () => pathToFileURL(temporaryDirectory()).href,
    'a quorum': async () =>
      [
        await sharedRedis(),
        `memcache://${await sharedMemcached()}`,
        pathToFileURL(temporaryDirectory()).href,
      ].join(),
  };
  for (const [title, urlOf] of Object.entries(stores)) {
    test(`${title}: none of them starves`, async () => {
      const url = await urlOf();
      const name = `shares ${process.pid}`;
      const starting = [1, 2, 3, 4].map(() => startTaker('', url, name, 20, 8_000));
      const takers = await Promise.all(starting);
      for (const { begin } of takers) begin();
      const outcomes = await Promise.all(takers.map(({ outcome }) => outcome()));
      // Until each has been refused once, a process does not know that others wait.
      const start = Math.max(...outcomes.map(({ times }) => times[0] ?? Infinity));
      const sections = outcomes.map(({ times }) => times.filter((at) => at > start).length);
      const mean = sections.reduce((sum, each) => sum + each) / sections.length;
      const all = outcomes.map(({ times }) => times.length);
      const details = `${all} sections, of which ${sections} since each had its first turn`;
      assert.ok(mean > 10, details);
      assert.ok(Math.min(...sections) >= mean / 5, details);
    });
  }
});
