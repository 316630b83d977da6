/** Processes that are stopped or killed, and clocks that step or stop, on each store. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { assertTaken, eventually, takeWhenFree, thief } from '../../src/testing/fixture.js';
import { sharedMemcached, sharedRedis, startRedis } from '../support/servers.js';
import { openStore } from '../support/stores.js';
import { ended, startWorker } from '../support/workers.js';

const directory = await mkdtemp(join(tmpdir(), 'dlock-processes-'));
after(() => rm(directory, { recursive: true }));

/** One row a store: its URL, the smallest step of a life in milliseconds, whether it has fences. */
const stores = [
  { kind: 'redis', open: sharedRedis, step: 1, fence: true },
  { kind: 'memcache', open: async () => `memcache://${await sharedMemcached()}`, step: 1_000 },
  { kind: 'file', open: async () => pathToFileURL(directory).href, step: 1, fence: true },
  { kind: 'quorum', open: startQuorum, step: 1 },
];

/** Three servers of its own, which end with the block. */
async function startQuorum(): Promise<string> {
  const servers = await Promise.all(Array.from({ length: 3 }, () => startRedis()));
  after(() => Promise.all(servers.map((server) => server.stop())));
  return servers.map(({ url }) => url).join();
}

/** A process that ends with the test, however that ends. */
function start(test: TestContext, program: string, ...args: string[]): ChildProcess {
  const worker = startWorker(new URL(`./workers/${program}.ts`, import.meta.url), ...args);
  test.after(() => worker.kill('SIGKILL'));
  return worker;
}

/** The next message of a worker; one that has ended tells nothing any more. */
async function told<T>(worker: ChildProcess): Promise<T> {
  assert.ok(worker.connected, 'the worker has ended');
  const failed = once(worker, 'exit').then(([code, signal]) => {
    throw new Error(`The worker ended with ${code ?? signal}, and told nothing`);
  });
  failed.catch(() => {});
  const [message] = await Promise.race([once(worker, 'message'), failed]);
  return message;
}

for (const { kind, open, step, fence = false } of stores) {
  describe(`${kind} and its processes`, { concurrency: 3 }, async () => {
    const url = await open();
    const { store, close } = await openStore(url);
    after(close);

    test('stopped beyond its ttl and continued: it knows at once, and frees nobody', async (t) => {
      const name = `sleeper ${process.pid}`;
      const ttl = 2_000;
      const worker = start(t, 'sleeper', url, name, `${ttl}`);
      assert.equal(await told(worker), 'held');
      worker.kill('SIGSTOP');
      const stopped = performance.now();
      await takeWhenFree(store, name, thief);
      await eventually('its ttl has passed', () => performance.now() - stopped > ttl + 200);
      const answer = told(worker);
      worker.kill('SIGCONT');
      assert.deepEqual(await answer, { held: false, remaining: 0, aborted: true, released: false });
      assert.equal(await ended(worker), 0);
      await assertTaken(store, name);
      assert.equal(await store.release(name, thief), true);
    });

    test('killed, one after the other: the next has the lock after the ttl, and fences grow', async (t) => {
      const name = `killed ${process.pid}`;
      const ttl = 2_000;
      let last = 0;
      let next = start(t, 'holder', url, name, `${ttl}`);
      for (let round = 0; round < 4; round++) {
        const holder = next;
        const { fence: given } = await told<{ fence?: number }>(holder);
        assert.equal(typeof given, fence ? 'number' : 'undefined');
        assert.ok(!fence || Number(given) > last, `${given} after ${last}`);
        last = Number(given);
        next = start(t, 'holder', url, name, `${ttl}`);
        holder.kill('SIGKILL');
        await ended(holder);
      }
      next.kill('SIGKILL');
      await ended(next);
      const killed = performance.now();
      await takeWhenFree(store, name, thief);
      const waited = performance.now() - killed;
      assert.ok(waited < ttl + 2 * step + 3_000, `${waited} ms`);
      await store.release(name, thief);
    });

    for (const [event, what] of [
      ['forth', 'the wall clock is set an hour ahead'],
      ['back', 'the wall clock is set back an hour'],
      ['stopped', 'the monotonic clock stands still'],
    ] as const) {
      test(`${what}: no lease outlives its deadline, and the loss is told`, async (t) => {
        const worker = start(t, 'clock-steps', url, `clock ${event} ${process.pid}`, '2000', event);
        const answer = await told<Record<string, unknown>>(worker);
        assert.equal(await ended(worker), 0);
        const { heldAtOnce, taken, heldWhenTaken, toldAfter, renewedHeld, released } = answer;
        const shown = JSON.stringify(answer);
        assert.equal(heldAtOnce, event !== 'forth', shown);
        assert.equal(taken, event !== 'back' || kind !== 'file', shown);
        assert.equal(heldWhenTaken, false, shown);
        assert.ok(Number(toldAfter) < 2_000 + 3_000, shown);
        assert.equal(renewedHeld, event !== 'forth', shown);
        assert.deepEqual(released, [false, event !== 'forth'], shown);
      });
    }
  });
}
