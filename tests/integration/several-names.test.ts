/** Processes that take the same two locks together, each naming them in an order of its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type LockStore, tryAcquire } from 'dlock-js';
import { eventually, thief } from '../../src/testing/fixture.js';
import { sharedRedis } from '../support/servers.js';
import { openStore } from '../support/stores.js';
import { ended, startWorker } from '../support/workers.js';

const directory = await mkdtemp(join(tmpdir(), 'dlock-several-'));
after(() => rm(directory, { recursive: true }));

const file = new URL('./workers/pair-taker.ts', import.meta.url);

interface Setting {
  url: string;
  /** Of four processes; none: the client that the URL stands for. */
  clients: [string, string, string, string];
}

const settings: Record<string, Setting> = {
  redis: {
    url: await sharedRedis(),
    clients: ['node-redis 6', 'ioredis 6', 'node-redis 4', 'ioredis 5'],
  },
  files: { url: pathToFileURL(directory).href, clients: ['', '', '', ''] },
};

/** A process that waits for its start. */
async function startTaker(client: string, url: string, names: string[], ttl: number, rounds = 1) {
  const child = startWorker(file, client, url, ...names, `${ttl}`, `${rounds}`);
  await once(child, 'message');
  const told = once(child, 'message').then(([fences]) => fences as Record<string, number>[]);
  const failed = once(child, 'exit').then(([code]) => assert.fail(`it ended with ${code}`));
  const outcome = Promise.race([told, failed]);
  // Whoever is killed tells nothing.
  outcome.catch(() => {});
  return { child, begin: () => child.send('begin'), outcome };
}

async function isHeld(store: LockStore, name: string): Promise<boolean> {
  const lease = await tryAcquire(store, name);
  await lease?.release();
  return lease === null;
}

for (const [title, { url, clients }] of Object.entries(settings)) {
  describe(title, () => {
    test('[a, b] against [b, a] from four processes, a hundred rounds each: all done', async () => {
      const [a, b] = [`a ${process.pid}`, `b ${process.pid}`];
      const starting = clients.map((client, index) =>
        startTaker(client, url, index % 2 ? [a, b] : [b, a], 10_000, 100),
      );
      const takers = await Promise.all(starting);
      for (const { begin } of takers) begin();
      const rounds = (await Promise.all(takers.map(({ outcome }) => outcome))).flat();
      assert.equal(rounds.length, 400);
      // Both are held together: whoever had the one before another had the other before, too.
      const of = (name: string) => (fences: Record<string, number>) => fences[name] ?? NaN;
      rounds.sort((one, two) => of(a)(one) - of(a)(two));
      for (const name of [a, b]) {
        const fences = rounds.map(of(name));
        const grow = fences.every(
          (fence, index) => index === 0 || fence > Number(fences[index - 1]),
        );
        assert.ok(grow, `${fences}`);
      }
    });

    test('one is killed while it holds the first and waits for the second: the rest goes on after its ttl', async (t) => {
      const ttl = 2_000;
      const [a, b] = [`killed a ${process.pid}`, `killed b ${process.pid}`];
      const { store, close } = await openStore(url);
      t.after(close);
      assert.equal((await store.acquire(b, thief, 60_000)).granted, true);
      const takers = await Promise.all(
        clients.map((client, index) =>
          startTaker(client, url, index % 2 ? [a, b] : [b, a], ttl, 5),
        ),
      );
      const [victim, ...rest] = takers;
      victim?.begin();
      await eventually('it holds the first', () => isHeld(store, a));
      for (const { begin } of rest) begin();
      victim?.child.kill('SIGKILL');
      if (victim) assert.equal(await ended(victim.child), 'SIGKILL');
      const start = performance.now();
      assert.equal(await store.release(b, thief), true);
      await Promise.all(rest.map(({ outcome }) => outcome));
      const waited = performance.now() - start;
      assert.ok(waited < ttl + 5_000, `${waited} ms`);
    });
  });
}
