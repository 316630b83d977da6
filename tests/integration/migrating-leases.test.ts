/** What docs/migrating.md says of several resources in one lock, and of leases on their way to another process. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { acquire, adopt, tryAcquire, tryAcquireAll } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { Mutex } from 'redis-semaphore';
import { startRedis } from '../support/servers.js';
import { connectIoredis, Redlock4 } from './other-libraries.js';

const server = await startRedis();
const client = connectIoredis(server.url);
after(async () => {
  client.disconnect();
  await server.stop();
});

const long = 60_000;
const options = { lockTimeout: long, refreshInterval: 0, acquireAttemptsLimit: 1 };

test('several resources in one lock of redlock, and acquireAll', async () => {
  const store = new IoredisStore(client, { prefix: '' });
  const redlock = new Redlock4([client], { retryCount: 0 });
  const [one, two, three] = ['one', 'two', 'three'] as const;
  const old = await redlock.acquire([one, two], long);
  assert.equal(await tryAcquireAll(store, [two, three]), null);
  await redlock.release(old);
  await using leases = await tryAcquireAll(store, [two, three]);
  assert.equal(leases?.held, true);
  await assert.rejects(redlock.acquire([one, two], long), { name: 'LockError' });
  assert.equal(await client.exists(one), 0);
});

test('a lock of redlock can be handed over to Dlock', async () => {
  const store = new IoredisStore(client, { prefix: '' });
  const redlock = new Redlock4([client], { retryCount: 0 });
  const name = 'to Dlock';
  const old = await redlock.acquire([name], long);
  await using lease = await adopt(store, { name, token: old.value, ttl: long });
  assert.equal(await tryAcquire(store, name), null);
  assert.equal(await lease?.release(), true);
  assert.equal(await client.exists(name), 0);
});

test('a lease can be handed over to a Mutex, whose own identifiers are no tokens', async () => {
  const store = new IoredisStore(client, { prefix: 'mutex:' });
  const name = 'to a Mutex';
  const { token } = (await acquire(store, name)).handOver();
  const external = { ...options, identifier: token, acquiredExternally: true } as const;
  const mutex = new Mutex(client, name, external);
  assert.equal(await mutex.tryAcquire(), true);
  assert.equal(await tryAcquire(store, name), null);
  await mutex.release();

  const old = new Mutex(client, name, options);
  assert.equal(await old.tryAcquire(), true);
  await assert.rejects(adopt(store, { name, token: old.identifier, ttl: long }), TypeError);
  await old.release();
});
