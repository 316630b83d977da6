/**
 * Random requests of holders with limits of all kinds, one store after the other, against the rule itself.
 * DLOCK_SHARING_OPERATIONS: how many requests for each store.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { LockStore } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { MemoryStore } from 'dlock-js/memory';
import { clients } from '../support/clients.js';
import { sharedRedis } from '../support/servers.js';

const operations = Number(process.env.DLOCK_SHARING_OPERATIONS ?? 3_000);

const root = await mkdtemp(join(tmpdir(), 'dlock-sharing-'));
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing) await close();
  await rm(root, { recursive: true });
});

async function storeOf(client: keyof typeof clients): Promise<LockStore> {
  const opened = await clients[client](await sharedRedis());
  await opened.connected;
  closing.push(() => opened.close());
  return opened.createStore();
}

const stores: Record<string, () => Promise<LockStore>> = {
  memory: async () => new MemoryStore(),
  file: async () => new FileStore(join(root, 'locks')),
  'node-redis': () => storeOf('node-redis 6'),
  ioredis: () => storeOf('ioredis 6'),
};

const limits = [2, 3, 5, Infinity];
/** Those that want it alone, and the others. */
const alone = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
const tokens = [...alone, ...['1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(32))];
/** The life of a holder that is to end by itself, and how far the clocks of a test may be off, in milliseconds. */
const brief = 60;
const vague = 30;

interface Holding {
  readonly isAlone: boolean;
  readonly fence: number;
  /** Until when it certainly holds the lock, and from when on certainly not. */
  until: number;
  gone: number;
}

const pick = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)] as T;

for (const [name, open] of Object.entries(stores)) {
  test(`${name}: ${operations} random requests with limits of all kinds, all answered by the rule`, async () => {
    const store = await open();
    const lock = `model ${process.pid} ${Date.now()}`;
    const holders = new Map<string, Holding>();
    let lastFence = 0;

    const acquire = async (token: string) => {
      const limit = alone.includes(token) ? 1 : pick(limits);
      const ttl = pick([brief, 60_000]);
      const asked = performance.now();
      const attempt =
        limit === 1
          ? await store.acquire(lock, token, ttl)
          : await store.acquireShared?.(lock, token, ttl, limit);
      assert.ok(attempt);
      const answered = performance.now();
      const others = [...holders].filter(([other]) => other !== token).map(([, each]) => each);
      const surely = others.filter(({ until }) => until > answered);
      const perhaps = others.filter(({ gone }) => gone > asked);
      const own = holders.get(token);
      if (own && own.until > answered) assert.equal(attempt.granted, true, 'its own');
      if (attempt.granted && !(own && own.gone > asked)) {
        assert.ok(surely.length < limit, `${surely.length} hold it, the limit is ${limit}`);
        assert.ok(!surely.some(({ isAlone }) => isAlone), 'somebody holds it alone');
        assert.ok(Number(attempt.fence) > lastFence, `fence ${attempt.fence} after ${lastFence}`);
        lastFence = Number(attempt.fence);
        const times = { until: asked + ttl - vague, gone: answered + ttl + vague };
        holders.set(token, { isAlone: limit === 1, fence: lastFence, ...times });
      } else if (attempt.granted) {
        // Granted again, or anew where its life had just ended.
        if (own && own.until <= answered) own.gone = Math.max(own.gone, answered + ttl + vague);
        lastFence = Math.max(lastFence, Number(attempt.fence));
      } else {
        const isRefused = perhaps.length >= limit || perhaps.some(({ isAlone }) => isAlone);
        assert.ok(isRefused, `refused at ${limit}, beside ${perhaps.length}`);
      }
    };

    const change = async (token: string, request: 'extend' | 'release') => {
      const ttl = pick([brief, 60_000]);
      const asked = performance.now();
      const isExtension = request === 'extend';
      const ours = await (isExtension
        ? store.extend(lock, token, ttl)
        : store.release(lock, token));
      const answered = performance.now();
      const own = holders.get(token);
      if (own && own.until > answered) assert.equal(ours, true, request);
      if (!own || own.gone < asked) assert.equal(ours, false, request);
      if (!ours || !isExtension) holders.delete(token);
      else if (own) {
        own.until = asked + ttl - vague;
        own.gone = answered + ttl + vague;
      }
    };

    for (let operation = 0; operation < operations; operation++) {
      const token = pick(tokens);
      const kind = Math.random();
      if (kind < 0.5) await acquire(token);
      else await change(token, kind < 0.7 ? 'extend' : 'release');
      if (kind > 0.995) await new Promise((resolve) => setTimeout(resolve, 2 * brief));
    }
    for (const token of tokens) await store.release(lock, token);
    const last = await store.acquire(lock, pick(tokens), 1_000);
    assert.equal(last.granted, true);
  });
}
