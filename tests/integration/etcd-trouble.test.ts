/** EtcdStore where etcd is in trouble: what a crash, a cut and a frozen node cost, and that none grants twice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire, type Lease, type LockStore, StoreError, settled, tryAcquire } from 'dlock-js';
import { EtcdStore } from 'dlock-js/etcd';
import { eventually, thief } from '../../src/testing/fixture.js';
import { acquireThroughOutages, ask, keysUnder } from '../support/etcd-talk.js';
import { type EtcdCluster, startEtcdCluster } from '../support/servers/etcd.js';
import { startSilentServer } from '../support/servers/silent.js';
import { type OwnServer, startEtcd } from '../support/servers.js';
import { countTogether } from './many-processes.js';

/** How long the nodes may take to elect another leader, on a busy machine, in milliseconds. */
const election = 15_000;

// The store keeps no process alive while it is asked directly, and not by the core.
const alive = setInterval(() => {}, 60_000);
after(() => clearInterval(alive));

const addressesOf = (urls: readonly string[]) => urls.map((url) => url.slice('http://'.length));

describe('etcd of one node', () => {
  let server: OwnServer & { url: string };
  let store: LockStore;

  before(async () => {
    server = await startEtcd();
    store = new EtcdStore(server.url);
  });
  after(() => server.stop());

  test('4 processes count to 200 together, no update lost, fences in order', async () => {
    await countTogether(`etcd://${addressesOf([server.url])}`, 4, 50);
  });

  test('of 20 first attempts on as many connections, one wins: on a fresh, a released and a lapsed name', async () => {
    const stores = Array.from({ length: 20 }, () => new EtcdStore(server.url));
    const compete = async (name: string) => {
      const attempts = stores.map((each) => tryAcquire(each, name, { renew: false, ttl: 5_000 }));
      const leases = (await Promise.all(attempts)).filter((lease) => lease !== null);
      assert.equal(leases.length, 1, name);
      return leases[0];
    };
    for (let round = 0; round < 5; round++) {
      const first = await compete(`fresh ${round}`);
      assert.equal(await first?.release(), true);
      const second = await compete(`fresh ${round}`);
      assert.ok(Number(second?.fence) > Number(first?.fence));
      if (round > 0) continue;
      await eventually('it lapses', async () => {
        const [key] = await keysUnder(server.url, `dlock:fresh ${round}`);
        return key === undefined;
      });
      const third = await compete(`fresh ${round}`);
      assert.ok(Number(third?.fence) > Number(second?.fence));
    }
  });

  test('nothing stays behind once all is released and settled: no key, no lease', async () => {
    const lease = await tryAcquire(store, 'left', { ttl: 60_000 });
    assert.equal(await tryAcquire(store, 'left'), null);
    await lease?.extend(5_000);
    const waiting = acquire(store, 'left');
    await delay(50);
    await lease?.release();
    assert.equal(await (await waiting).release(), true);
    assert.equal(await settled(store), true);
    assert.deepEqual(await keysUnder(server.url, 'dlock:left'), []);
    assert.deepEqual(await keysUnder(server.url, 'dlock:\0'), []);
  });

  test('a lock, its life and its fence outlast a crash of the server', async () => {
    assert.equal((await store.acquire('kept', 'a'.repeat(32), 60_000)).granted, true);
    const first = await store.acquire('kept', 'a'.repeat(32), 60_000);
    await server.restart();
    assert.equal((await store.acquire('kept', thief, 60_000)).granted, false);
    assert.deepEqual(await store.acquire('kept', 'a'.repeat(32), 60_000), first);
    assert.equal(await store.extend('kept', 'a'.repeat(32), 60_000), true);
    assert.equal(await store.release('kept', 'a'.repeat(32)), true);
    const second = await store.acquire('kept', thief, 60_000);
    assert.ok(first.granted && second.granted && Number(second.fence) > Number(first.fence));
    assert.equal(await store.release('kept', thief), true);
  });

  test('who waits over a restart of the server is served after it', async () => {
    await store.acquire('restarted', thief, 60_000);
    const waiting = acquireThroughOutages(new EtcdStore(server.url), 'restarted');
    waiting.catch(() => {});
    await eventually('it has a place', async () => {
      return (await keysUnder(server.url, 'dlock:\0')).length === 1;
    });
    await server.restart();
    assert.equal(await store.release('restarted', thief), true);
    assert.equal(await (await waiting).release(), true);
  });

  test('a history that is compacted under those who wait and hold changes nothing', async () => {
    const lease = await acquire(store, 'compacted');
    const waiting = acquire(new EtcdStore(server.url), 'compacted');
    await eventually('it has a place', async () => {
      return (await keysUnder(server.url, 'dlock:\0')).length === 1;
    });
    const { header } = await ask(server.url, 'kv/range', { key: 'eA==' });
    await ask(server.url, 'kv/compaction', { revision: header.revision, physical: true });
    await lease.extend();
    assert.equal(await lease.release(), true);
    assert.equal(await (await waiting).release(), true);
  });

  test('a lease of etcd is granted for each lease of ours, and used by no other', async () => {
    const seen = new Set<string>();
    for (let round = 0; round < 5; round++) {
      await using lease = await tryAcquire(store, 'anew', { ttl: 20_000 });
      assert.ok(lease);
      const [pair] = await keysUnder(server.url, 'dlock:anew');
      assert.ok(pair && !seen.has(pair.lease), 'an old one');
      seen.add(pair.lease);
      const { TTL } = await ask(server.url, 'lease/timetolive', { ID: pair.lease });
      assert.ok(Number(TTL) >= 18, `${TTL} s`);
    }
  });

  test('a frozen server is a StoreError within the time limit, and what reaches it late leaves nothing', async () => {
    const impatient = new EtcdStore(server.url, { timeout: 500, ttl: 3_000 });
    await server.freeze();
    const start = performance.now();
    await assert.rejects(tryAcquire(impatient, 'frozen'), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /within 500 ms/);
      return true;
    });
    const waited = performance.now() - start;
    assert.ok(waited >= 499 && waited < 3_000, `${waited} ms`);
    await server.thaw();
    assert.equal(await settled(impatient, { wait: 30_000 }), true);
    await eventually('it is free', async () => {
      const lease = await tryAcquire(store, 'frozen');
      await lease?.release();
      return lease !== null;
    });
  });

  test('a server that accepts and says nothing is a StoreError within the time limit', async () => {
    await using silent = await startSilentServer();
    const asked = new EtcdStore(`http://127.0.0.1:${silent.port}`, { timeout: 300 });
    const start = performance.now();
    await assert.rejects(tryAcquire(asked, 'silent', { ttl: 1_000 }), { code: 'ERR_DLOCK_STORE' });
    assert.ok(performance.now() - start < 3_000);
    await assert.rejects(
      asked.watch('silent', () => {}),
      /within 300 ms/,
    );
  });

  test('an endpoint where nobody listens, or somebody silent, is left for the next', async () => {
    await using silent = await startSilentServer();
    const endpoints = ['http://127.0.0.1:1', `http://127.0.0.1:${silent.port}`, server.url];
    await using lease = await tryAcquire(new EtcdStore(endpoints, { timeout: 2_000 }), 'next');
    assert.ok(lease);
    await lease.extend();
  });

  test('what the server says is in the error', async () => {
    // The server reads it whole before it refuses it.
    const long = new EtcdStore(server.url, { prefix: 'x'.repeat(2_000_000), timeout: 30_000 });
    await assert.rejects(tryAcquire(long, 'said'), (error: Error) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /received message larger than max/);
      return true;
    });
    const web = createServer((_, response) => response.writeHead(404).end('no!'));
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
    const { port } = web.address() as AddressInfo;
    const elsewhere = new EtcdStore(`http://127.0.0.1:${port}`);
    await assert.rejects(tryAcquire(elsewhere, 'said', { ttl: 1_000 }), /HTTP status 404/);
    web.close();
    web.closeAllConnections();
  });
});

/** An election is over, and the node in use has found it out. */
function renewed(lease: Lease): Promise<void> {
  const isExtended = () =>
    lease.extend().then(
      () => true,
      () => false,
    );
  return eventually('it is renewed', isExtended, election);
}

describe('etcd of three nodes', () => {
  let cluster: EtcdCluster;
  before(async () => {
    cluster = await startEtcdCluster();
  });
  after(() => cluster.stop());

  test('4 processes count to 100 together, each beginning with the same node', async () => {
    await countTogether(`etcd://${addressesOf(cluster.endpoints)}`, 4, 25);
  });

  test('the leader is killed while a lock is held: it is renewed, a thief refused, and the fence grows', async () => {
    const store = new EtcdStore(cluster.endpoints);
    const lease = await tryAcquire(store, 'led', { ttl: 10_000 });
    assert.ok(lease);
    const leader = await cluster.leader();
    await leader.kill();
    await renewed(lease);
    assert.equal(lease.held, true);
    assert.equal((await store.acquire('led', thief, 60_000)).granted, false);
    const before = lease.fence;
    assert.equal(await lease.release(), true);
    await using next = await tryAcquire(store, 'led');
    assert.ok(Number(next?.fence) > Number(before));
    await leader.restart();
  });

  test('the leader is frozen: another node serves, and those who wait are woken', async () => {
    const store = new EtcdStore(cluster.endpoints, { timeout: 4_000 });
    const lease = await acquire(store, 'stopped', { ttl: 20_000 });
    const leader = await cluster.leader();
    await leader.freeze();
    await renewed(lease);
    const waiting = acquire(new EtcdStore(cluster.endpoints.toReversed()), 'stopped');
    waiting.catch(() => {});
    await delay(500);
    assert.equal(await lease.release(), true);
    assert.equal(await (await waiting).release(), true);
    await leader.thaw();
  });

  test('a minority that is cut off grants nothing and says so in time; the majority keeps the lock', async () => {
    const store = new EtcdStore(cluster.endpoints);
    const lease = await tryAcquire(store, 'cut', { ttl: 20_000 });
    assert.ok(lease);
    const [one, ...others] = cluster.nodes;
    const timeout = 2_000;
    const alone = new EtcdStore(cluster.endpoints[0] as string, { timeout });
    for (const node of others) await node.freeze();
    for (const name of ['cut', 'fresh']) {
      const start = performance.now();
      await assert.rejects(tryAcquire(alone, name, { ttl: 2_000 }), { code: 'ERR_DLOCK_STORE' });
      const waited = performance.now() - start;
      assert.ok(waited < timeout + 2_000, `${waited} ms`);
    }
    assert.ok(one);
    for (const node of others) await node.thaw();
    await renewed(lease);
    assert.equal((await store.acquire('cut', thief, 60_000)).granted, false);
    assert.equal(await lease.release(), true);
    assert.equal(await settled(alone, { wait: 30_000 }), true);
  });
});

test('the etcd of the tests keeps its data in a directory of its own, which goes with it', async () => {
  const directories = async () =>
    (await Promise.all(['/dev/shm', '/tmp'].map((path) => readdir(path).catch(() => [])))).flat();
  const before = new Set(await directories());
  const server = await startEtcd();
  const added = (await directories()).filter((name) => !before.has(name));
  assert.ok(added.some((name) => name.startsWith('dlock-tests-')));
  await server.stop();
  const after = await directories();
  assert.ok(
    added.filter((name) => name.startsWith('dlock-tests-')).some((name) => !after.includes(name)),
  );
});
