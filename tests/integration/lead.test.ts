/** Processes that lead: one at a time, and another when it is killed, frozen, cut off, or resigns. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { eventually } from '../../src/testing/fixture.js';
import { startProxy } from '../support/proxy/proxy.js';
import { temporaryDirectory } from '../support/servers/directories.js';
import { sharedRedis, startRedis } from '../support/servers.js';
import { Reign, startLeader } from './leaders.js';

const ttl = 2_000;
/** In milliseconds: within the ttl and a second, and what a busy machine adds to that. */
const longest = ttl + 1_000 + 2_000;

let names = 0;

/** Two processes: the first leads, through `url`, and the second waits to. */
async function startTwo(test: TestContext, client: string, url: string, other = url, life = ttl) {
  const name = `lead ${process.pid}.${++names}`;
  const reign = new Reign();
  const first = startLeader(test, reign, client, url, name, `${life}`);
  await first.leads();
  const second = startLeader(test, reign, client, other, name, `${life}`);
  await second.waits();
  return { reign, first, second };
}

function assertSoon(test: TestContext, waited: number): void {
  test.diagnostic(`${Math.round(waited)} ms until another led`);
  assert.ok(waited < longest, `${waited} ms`);
}

const fleets = [
  { title: 'node-redis', client: 'node-redis 6', url: await sharedRedis() },
  { title: 'ioredis', client: 'ioredis 6', url: await sharedRedis() },
  { title: 'files', client: '', url: pathToFileURL(temporaryDirectory()).href },
];

describe('leaders', { concurrency: 3 }, () => {
  for (const { title, client, url } of fleets) {
    describe(`${title}: the leader`, { concurrency: 2 }, () => {
      test('resigns: another leads at once', async (t) => {
        const { reign, first, second } = await startTwo(t, client, url, url, 60_000);
        await first.stop();
        assertSoon(t, await second.leads());
        await second.stop();
        reign.assertApart(2);
      });

      test('is killed: another leads', async (t) => {
        const { reign, first, second } = await startTwo(t, client, url);
        first.child.kill('SIGKILL');
        assertSoon(t, await second.leads());
        await second.stop();
        reign.assertApart(2);
      });

      test('is frozen: another leads, and it leads again after that one', async (t) => {
        const { reign, first, second } = await startTwo(t, client, url);
        first.child.kill('SIGSTOP');
        assertSoon(t, await second.leads());
        first.child.kill('SIGCONT');
        await second.stop();
        await first.leads(2);
        await first.stop();
        reign.assertApart(3);
      });

      if (!client) return;

      test('is cut off: another leads, and it leads again after that one', async (t) => {
        await using proxy = await startProxy(Number(new URL(url).port));
        const through = `redis://127.0.0.1:${proxy.port}`;
        const { reign, first, second } = await startTwo(t, client, through, url);
        proxy.refuse();
        assertSoon(t, await second.leads());
        proxy.accept();
        await second.stop();
        await first.leads(2);
        await first.stop();
        reign.assertApart(3);
      });

      test('outlives its store, which is away for longer than the ttl: it leads again', async (t) => {
        await using server = await startRedis();
        const reign = new Reign();
        const leader = startLeader(t, reign, client, server.url, 'lead', `${ttl}`);
        await leader.leads();
        await server.kill();
        const killed = performance.now();
        await leader.ends();
        await eventually('a ttl has passed', () => performance.now() - killed > ttl);
        await server.restart();
        await leader.leads(2);
        await leader.stop();
        reign.assertApart(2);
      });
    });
  }
});
