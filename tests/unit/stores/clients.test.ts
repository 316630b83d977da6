/** Each store says, when it is made, that a client is not one of its own, and which store takes it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Batch, GlideClient, GlideClusterClient } from '@valkey/valkey-glide';
import { Cluster, Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { Redis as Valkey, Cluster as ValkeyCluster } from 'iovalkey';
import * as mariadb from 'mariadb';
import * as mariadbCallback from 'mariadb/callback';
import { MemcacheClient } from 'memcache-client';
import * as mysql2 from 'mysql2/promise';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { createClient as createClient4, createCluster as createCluster4 } from 'redis4';
import {
  createClient as createClient5,
  createClientPool as createClientPool5,
  createCluster as createCluster5,
  createSentinel as createSentinel5,
} from 'redis5';
import { MemcacheStore } from '../../../src/stores/memcache.js';
import { MysqlStore } from '../../../src/stores/mysql/mysql.js';
import { PostgresStore } from '../../../src/stores/postgres/postgres.js';
import { GlideStore } from '../../../src/stores/redis/glide.js';
import { IoredisStore } from '../../../src/stores/redis/ioredis.js';
import { RedisStore } from '../../../src/stores/redis/redis.js';

const stores = { RedisStore, IoredisStore, GlideStore, MemcacheStore, MysqlStore };
type StoreName = keyof typeof stores;

const rootNodes = [{ url: 'redis://127.0.0.1:1' }];
const sentinel = { name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] };
const lazy = { lazyConnect: true };
const server = '127.0.0.1:1';
const mysql = { host: '127.0.0.1', port: 1 };
const pool = mysql2.createPool(mysql);
const mariadbPool = mariadb.createPool({ ...mysql, minimumIdle: 0 });
const calling = mariadbCallback.createPool({ ...mysql, minimumIdle: 0 });
after(() =>
  Promise.all([pool.end(), mariadbPool.end(), calling.end(() => {}), otherCluster.end()]),
);

const addresses = [{ host: '127.0.0.1', port: 1 }];
const glide = await GlideClient.createClient({ addresses, ...lazy });
const glideCluster = await GlideClusterClient.createClient({ addresses, ...lazy });
after(() => {
  glide.close();
  glideCluster.close();
});

/** None of them is ever connected. */
const clients: Record<StoreName, Record<string, object>> = {
  RedisStore: {
    'a client of redis 6': createClient(),
    'a client of redis 5': createClient5(),
    'a client of redis 4': createClient4(),
    'a pool of redis 6': createClientPool(),
    'a pool of redis 5': createClientPool5(),
    'a cluster of redis 6': createCluster({ rootNodes }),
    'a cluster of redis 5': createCluster5({ rootNodes }),
    'a cluster of redis 4': createCluster4({ rootNodes }),
    'a sentinel of redis 6': createSentinel(sentinel),
    'a sentinel of redis 5': createSentinel5(sentinel),
    'a client with other options for its commands': createClient().withTypeMapping({}),
  },
  IoredisStore: {
    'a Redis of ioredis 6': new Redis(lazy),
    'a Redis of ioredis 5': new Redis5(lazy),
    'a Cluster of ioredis 6': new Cluster([server], lazy),
    'a Redis of iovalkey': new Valkey(lazy),
    'a Cluster of iovalkey': new ValkeyCluster([server], lazy),
  },
  GlideStore: { 'a GlideClient': glide, 'a GlideClusterClient': glideCluster },
  MemcacheStore: { 'a client of memcache-client': new MemcacheClient({ server }) },
  MysqlStore: { 'a pool of mysql2': pool, 'a pool of mariadb': mariadbPool },
};

const libraries: Record<StoreName, string> = {
  RedisStore: 'redis',
  IoredisStore: 'ioredis',
  GlideStore: '@valkey/valkey-glide',
  MemcacheStore: 'memcache-client',
  MysqlStore: 'mysql2/promise or mariadb',
};

for (const [store, Store] of Object.entries(stores) as [StoreName, typeof RedisStore][]) {
  for (const [owner, theirs] of Object.entries(clients) as [StoreName, object][]) {
    for (const [name, client] of Object.entries(theirs)) {
      test(`${store}: ${name} ${owner === store ? 'is taken' : `belongs to ${owner}`}`, () => {
        if (owner === store) return void new Store(client as never);
        assert.throws(() => new Store(client as never), {
          name: 'TypeError',
          message: `${store} needs a client of ${libraries[store]}, not a client of ${libraries[owner]}, which ${owner} takes`,
        });
      });
    }
  }
}

/** They have an `eval`, and answer elsewhere than in its promise. */
const legacy: Record<string, object> = {
  'a client of redis 4 in legacy mode': createClient4({ legacyMode: true }),
  'the legacy client of redis 6': createClient().legacy(),
  'the legacy client of redis 5': createClient5().legacy(),
  'a transaction of redis 6': createClient().multi(),
  'a transaction of redis 4': createClient4().multi(),
};

for (const [name, client] of Object.entries(legacy)) {
  for (const [store, Store] of Object.entries(stores)) {
    test(`${store}: ${name} is refused`, () => {
      assert.throws(() => new Store(client as never), {
        name: 'TypeError',
        message: `${store} needs a client of ${libraries[store as StoreName]}, not a client of redis in legacy mode, or a transaction`,
      });
    });
  }
}

/** The methods by which clients of other libraries look like ours. */
const strangers: Record<string, object> = {
  'a client over HTTP (@upstash/redis)': { eval: async () => 1, get: async () => null },
  'a client that calls back (redis 3)': { eval: () => true, EVAL: () => true, connected: true },
  memjs: { get() {}, set() {}, add() {}, delete() {} },
  'a client that calls back (memcached)': { get() {}, gets() {}, add() {}, cas() {} },
  'a batch of GLIDE': new Batch(false),
  'a pipeline of ioredis': new Redis(lazy).pipeline(),
  'a promise of a client': Promise.resolve(createClient()),
  'a store': new RedisStore(createClient()),
};

for (const [name, client] of Object.entries(strangers)) {
  for (const [store, Store] of Object.entries(stores)) {
    test(`${store}: ${name} is refused`, () => {
      assert.throws(() => new Store(client as never), {
        name: 'TypeError',
        message: new RegExp(`^${store} needs a client of ${libraries[store as StoreName]}, not `),
      });
    });
  }
}

const cluster = mysql2.createPoolCluster();
cluster.add('one', mysql);
const otherCluster = mariadb.createPoolCluster();
otherCluster.add('one', mysql);

/** Clients of the right libraries for it, but answering elsewhere, or leading to several servers. */
const refused: Record<string, [client: object, hint: string]> = {
  'a pool of mysql2': [pool.pool, 'mysql2 that calls back; pass what its .promise() gives'],
  'a pool of mariadb/callback': [calling, 'mariadb/callback; import mariadb itself'],
  'a cluster of mysql2': [cluster, 'a cluster of servers'],
  'some of a cluster of mysql2': [cluster.of('*'), 'a cluster of servers'],
  'some of a cluster of mariadb': [otherCluster.of('one'), 'a cluster of servers'],
};

for (const [name, [client, hint]] of Object.entries(refused)) {
  test(`MysqlStore: ${name} is refused`, () => {
    assert.throws(() => new MysqlStore(client as never), {
      name: 'TypeError',
      message: `MysqlStore needs a client of mysql2/promise or mariadb, not a client of ${hint}`,
    });
  });
}

test('what is no client at all is shown', () => {
  for (const given of [undefined, null, 'redis://127.0.0.1', 6379, createClient]) {
    for (const Store of Object.values(stores)) {
      if (Store === MysqlStore && typeof given === 'function') continue; // it takes a function

      assert.throws(() => new Store(given as never), TypeError);
    }
  }
  assert.throws(() => new RedisStore('redis://127.0.0.1' as never), {
    message: 'RedisStore needs a client of redis, not "redis://127.0.0.1"',
  });
  const connecting = Promise.resolve();
  assert.throws(() => new RedisStore(connecting as never), {
    message: 'RedisStore needs a client of redis, not a promise of one: await it first',
  });
  assert.throws(() => new PostgresStore(connecting as never), /not a promise of one: await it/);
});
