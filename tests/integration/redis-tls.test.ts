/** Redis over TLS, through both clients: the scripts and the wake-ups. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { acquire, type LockStore, tryAcquire } from 'dlock-js';
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { eventually, slack, thief } from '../../src/testing/fixture.js';
import { startTlsRedis } from '../support/servers/tls.js';

const server = await startTlsRedis();

async function nodeRedis() {
  const socket = { tls: true, ca: server.certificate } as const;
  return createClient({ url: server.url, socket }).connect();
}

const admin = await nodeRedis();
after(async () => {
  admin.destroy();
  await server.stop();
});

async function assertWorks(store: LockStore) {
  const name = `import ${store.constructor.name}`;
  await using lease = await tryAcquire(store, name);
  assert.ok(lease);
  assert.equal(await tryAcquire(store, name), null);
  await lease.extend();
  assert.equal(await lease.release(), true);

  await store.acquire(name, thief, 60_000);
  const waiting = acquire(store, name);
  const channels = () => admin.pubSubChannels(`dlock:${name}`);
  await eventually('it subscribes', async () => (await channels()).length === 1);
  await store.release(name, thief);
  const start = performance.now();
  assert.equal(await (await waiting).release(), true);
  assert.ok(performance.now() - start < slack);
}

test('node-redis', async () => {
  const client = await nodeRedis();
  await assertWorks(new RedisStore(client));
  client.destroy();
});

test('ioredis', async () => {
  const client = new Redis(server.url, { tls: { ca: server.certificate } });
  await assertWorks(new IoredisStore(client));
  client.disconnect();
});

test('a certificate that nobody vouches for is an error', async () => {
  const client = createClient({ url: server.url, socket: { reconnectStrategy: false } });
  client.on('error', () => {});
  await assert.rejects(client.connect(), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});
