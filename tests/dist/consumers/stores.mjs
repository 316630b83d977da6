/**
 * Uses every store with its real client, as two servers would, on whatever runtime this is. Given the
 * URL of a Redis, the address of a Memcached and a directory; prints the stores that passed, and ends
 * by itself once the clients are closed.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquire, locked, once, StoreError, subscribe, tryAcquire } from 'dlock-js';
import { FileStore } from 'dlock-js/file';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { MemoryStore } from 'dlock-js/memory';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';

const [redis, memcached, directory] = process.argv.slice(2);
const times = { ttl: 3_000, timeout: 2_000 };
/** How much longer than its ttl a store may keep a lock, in milliseconds. */
const rounding = 3_000;
const memory = new MemoryStore(times);

/** A store over a client of its own, by the place where its locks are. */
const open = {
  redis(url) {
    const client = createClient({ url });
    client.on('error', () => {});
    client.connect().catch(() => {});
    return { store: new RedisStore(client, times), close: () => client.destroy() };
  },
  ioredis(url) {
    const client = new Redis(url);
    client.on('error', () => {});
    const store = new IoredisStore(client, { ...times, prefix: 'ioredis:' });
    return { store, close: () => client.disconnect() };
  },
  memcache(server) {
    const client = new MemcacheClient({ server });
    return { store: new MemcacheStore(client, times), close: () => client.shutdown() };
  },
  file: (path) => ({ store: new FileStore(path, times), close() {} }),
  memory: () => ({ store: memory, close() {} }),
};

/** Where each store's locks are, and where nothing answers. */
const places = {
  redis: [redis, 'redis://127.0.0.1:1'],
  ioredis: [redis, 'redis://127.0.0.1:1'],
  memcache: [memcached, '127.0.0.1:1'],
  file: [directory, '/dev/null/locks'],
  memory: ['here'],
};

const events = ['granted', 'refused', 'abandoned', 'renewed', 'lost', 'released'];
const seen = new Set();
for (const event of events) subscribe(event, ({ name }) => seen.add(`${event} ${name}`));

process.on('warning', (warning) => {
  throw warning;
});

async function useByTwo(store, other, name) {
  const first = await tryAcquire(store, name);
  assert.equal(first?.held, true);
  assert.equal(await tryAcquire(other, name), null);

  // Past its ttl it is still held, since it is renewed.
  await sleep(times.ttl + rounding + 500);
  assert.equal(first.held, true);
  assert.equal(await tryAcquire(other, name), null);
  await assert.rejects(acquire(other, name, { wait: 1_000 }), { code: 'ERR_DLOCK_TIMEOUT' });

  // Whoever waits gets it when it is released, and is woken where the store can wake.
  let wake = () => {};
  const woken = new Promise((resolve) => {
    wake = resolve;
  });
  const watch = await other.watch?.(name, wake);
  const waiting = acquire(other, name);
  assert.equal(await first.release(), true);
  if (watch) await woken;
  await watch?.[Symbol.asyncDispose]();
  const second = await waiting;
  assert.equal(second.held, true);
  assert.equal(first.held, false);
  assert.equal(first.signal.aborted, false);

  // Freed behind its back, it is lost, and the signal says so.
  const aborted = new Promise((resolve) => second.signal.addEventListener('abort', resolve));
  assert.equal(await store.release(name, second.token), true);
  await aborted;
  assert.equal(second.signal.reason.code, 'ERR_DLOCK_LEASE_LOST');
  assert.equal(await second.release(), false);

  const body = ({ signal }) => signal.aborted;
  assert.deepEqual(await locked(store, name, body), { ran: true, value: false });
  assert.deepEqual(await once(store, name, 'today', body), { ran: true, value: false });
  assert.deepEqual(await once(other, name, 'today', body), { ran: false, reason: 'done' });
  for (const event of events) assert.ok(seen.has(`${event} ${name}`), `nobody heard of ${event}`);
}

async function useInOutage(store, name) {
  await assert.rejects(tryAcquire(store, name), (error) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'ERR_DLOCK_STORE');
    assert.ok(error.cause instanceof Error, 'without its cause');
    return true;
  });
}

async function pass(kind) {
  const [place, nowhere] = places[kind];
  const [one, other] = [open[kind](place), open[kind](place)];
  const name = `${kind} of ${process.pid}`;
  await useByTwo(one.store, other.store, name);
  one.close();
  other.close();
  if (nowhere) {
    const unreachable = open[kind](nowhere);
    await useInOutage(unreachable.store, name);
    unreachable.close();
  }
  return kind;
}

const passed = await Promise.all(Object.keys(open).map(pass));
console.log(passed.join(' '));
