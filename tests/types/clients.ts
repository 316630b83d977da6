/**
 * Holds the stores' structural client types against the real clients: the compiler is the test, and
 * nothing here is ever run. The package checks compile the same lines against the built declarations.
 */
import { Batch, GlideClient, GlideClusterClient } from '@valkey/valkey-glide';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { MysqlStore } from 'dlock-js/mysql';
import { RedisStore } from 'dlock-js/redis';
import { GlideStore } from 'dlock-js/valkey-glide';
import * as ioredis6 from 'ioredis';
import * as ioredis5 from 'ioredis5';
import * as iovalkey from 'iovalkey';
import * as mariadb from 'mariadb';
import * as mariadbCallback from 'mariadb/callback';
import { MemcacheClient } from 'memcache-client';
import * as mysql2Callback from 'mysql2';
import * as mysql2 from 'mysql2/promise';
import * as redis6 from 'redis';
import * as redis4 from 'redis4';
import * as redis5 from 'redis5';

const cluster = { rootNodes: [{ url: 'redis://localhost' }] };
const sentinel = { name: 'main', sentinelRootNodes: [{ host: 'localhost', port: 26_379 }] };
const memcache = new MemcacheClient({ server: 'localhost:11211' });

export async function redis6Fits() {
  new RedisStore(redis6.createClient());
  new RedisStore(await redis6.createClient().connect());
  new RedisStore(redis6.createClient({ RESP: 2 }));
  new RedisStore(redis6.createClientPool());
  new RedisStore(redis6.createCluster(cluster));
  new RedisStore(redis6.createSentinel(sentinel));
}

export async function redis5Fits() {
  new RedisStore(redis5.createClient());
  new RedisStore(await redis5.createClient().connect());
  new RedisStore(redis5.createClient({ RESP: 3 }));
  new RedisStore(redis5.createClientPool());
  new RedisStore(redis5.createCluster(cluster));
  new RedisStore(redis5.createSentinel(sentinel));
}

/** It has neither sentinel nor a pool of its own: its client pools by itself, for isolated commands. */
export async function redis4Fits() {
  const client = redis4.createClient();
  await client.connect();
  new RedisStore(client);
  new RedisStore(redis4.createCluster(cluster));
}

/** The types that people write down for their clients. */
export function namedTypesFit(
  client6: redis6.RedisClientType,
  client5: redis5.RedisClientType,
  client4: redis4.RedisClientType,
  pool6: redis6.RedisClientPoolType,
  pool5: redis5.RedisClientPoolType,
  cluster6: redis6.RedisClusterType,
  cluster5: redis5.RedisClusterType,
  cluster4: redis4.RedisClusterType,
  sentinel6: redis6.RedisSentinelType,
  sentinel5: redis5.RedisSentinelType,
) {
  for (const client of [client6, client5, client4]) new RedisStore(client);
  for (const pool of [pool6, pool5]) new RedisStore(pool);
  for (const cluster of [cluster6, cluster5, cluster4]) new RedisStore(cluster);
  for (const sentinel of [sentinel6, sentinel5]) new RedisStore(sentinel);
}

export function ioredis6Fits(client: ioredis6.Redis, cluster: ioredis6.Cluster) {
  new IoredisStore(client);
  new IoredisStore(cluster);
  new IoredisStore(new ioredis6.Redis('redis://localhost', { keyPrefix: 'tenant:' }));
  new IoredisStore(new ioredis6.Redis({ protocol: 3, replyMapping: 'resp3' }));
  new IoredisStore(new ioredis6.Redis({ name: 'main', sentinels: [{ host: 'localhost' }] }));
  new IoredisStore(new ioredis6.Cluster([{ host: 'localhost' }]));
}

export function ioredis5Fits(client: ioredis5.Redis, cluster: ioredis5.Cluster) {
  new IoredisStore(client);
  new IoredisStore(cluster);
  new IoredisStore(new ioredis5.Redis('redis://localhost', { keyPrefix: 'tenant:' }));
  new IoredisStore(new ioredis5.Redis({ name: 'main', sentinels: [{ host: 'localhost' }] }));
  new IoredisStore(new ioredis5.Cluster([{ host: 'localhost' }]));
}

/** It is ioredis, for Valkey. */
export function iovalkeyFits(client: iovalkey.Redis, cluster: iovalkey.Cluster) {
  new IoredisStore(client);
  new IoredisStore(cluster);
  new IoredisStore(new iovalkey.Redis('redis://localhost', { keyPrefix: 'tenant:' }));
  new IoredisStore(new iovalkey.Cluster([{ host: 'localhost' }]));
}

const addresses = [{ host: 'localhost' }];

export async function glideFits(client: GlideClient, cluster: GlideClusterClient) {
  new GlideStore(client);
  new GlideStore(client, { prefix: 'app:', listener: client });
  new GlideStore(cluster);
  new GlideStore(cluster, { listener: cluster });
  new GlideStore(await GlideClient.createClient({ addresses, lazyConnect: true }));
  new GlideStore(await GlideClusterClient.createClient({ addresses }));
}

export function memcacheClientFits() {
  new MemcacheStore(memcache);
  new MemcacheStore(new MemcacheClient({ server: { servers: [{ server: 'localhost:11211' }] } }));
}

export async function mysqlClientsFit(pool: mysql2.Pool, connection: mysql2.Connection) {
  new MysqlStore(pool);
  new MysqlStore(connection);
  new MysqlStore(await pool.getConnection());
  new MysqlStore(mysql2Callback.createPool('mysql://localhost').promise());
  new MysqlStore((text, values) => pool.execute(text, values as string[]));
  const other = mariadb.createPool('mariadb://localhost');
  new MysqlStore(other);
  new MysqlStore(await other.getConnection());
}

export function wrongPairingsDoNotCompile() {
  // @ts-expect-error it calls back
  new MysqlStore(mysql2Callback.createPool('mysql://localhost'));
  // @ts-expect-error it calls back
  new MysqlStore(mysql2Callback.createConnection('mysql://localhost'));
  // @ts-expect-error it calls back
  new MysqlStore(mariadbCallback.createPool('mariadb://localhost'));
  // @ts-expect-error the module
  new MysqlStore(mysql2);
  // @ts-expect-error a pool that is still to come
  new MysqlStore(mysql2.createConnection('mysql://localhost'));
  // @ts-expect-error a client of Redis
  new MysqlStore(redis6.createClient());
  // @ts-expect-error a client of ioredis
  new MysqlStore(new ioredis6.Redis());
  // @ts-expect-error an address
  new MysqlStore('mysql://localhost');

  // @ts-expect-error a client of Memcached
  new RedisStore(memcache);
  // @ts-expect-error no client
  new RedisStore();
  // @ts-expect-error an address
  new RedisStore('redis://localhost');
  // @ts-expect-error the module
  new RedisStore(redis6);
  // @ts-expect-error a client that is still to come
  new RedisStore(redis6.createClient().connect());

  // A transaction has the same methods, but queues what it is told; a legacy client calls back.
  // @ts-expect-error a transaction
  new RedisStore(redis6.createClient().multi());
  // @ts-expect-error a transaction
  new RedisStore(redis5.createClient().multi());
  // @ts-expect-error a transaction
  new RedisStore(redis4.createClient().multi());
  // @ts-expect-error a legacy client
  new RedisStore(redis6.createClient().legacy());
  // @ts-expect-error a legacy client
  new RedisStore(redis5.createClient().legacy());

  // @ts-expect-error a client of Redis
  new MemcacheStore(redis6.createClient());
  // @ts-expect-error a client of Redis
  new MemcacheStore(redis5.createClient());
  // @ts-expect-error a client of Redis
  new MemcacheStore(redis4.createClient());
  // @ts-expect-error a pool of Redis
  new MemcacheStore(redis6.createClientPool());
  // @ts-expect-error a cluster of Redis
  new MemcacheStore(redis6.createCluster(cluster));
  // @ts-expect-error no client
  new MemcacheStore();
  // @ts-expect-error an address
  new MemcacheStore('localhost:11211');

  // ioredis has the same methods as node-redis, but takes other arguments.
  // @ts-expect-error a client of ioredis
  new RedisStore(new ioredis6.Redis());
  // @ts-expect-error a client of ioredis
  new RedisStore(new ioredis5.Redis());
  // @ts-expect-error a cluster of ioredis
  new RedisStore(new ioredis6.Cluster([]));
  // @ts-expect-error a cluster of ioredis
  new RedisStore(new ioredis5.Cluster([]));
  // @ts-expect-error a client of ioredis
  new MemcacheStore(new ioredis6.Redis());
  // @ts-expect-error a client of ioredis
  new MemcacheStore(new ioredis5.Redis());

  // @ts-expect-error a client of node-redis
  new IoredisStore(redis6.createClient());
  // @ts-expect-error a client of node-redis
  new IoredisStore(redis5.createClient());
  // @ts-expect-error a client of node-redis
  new IoredisStore(redis4.createClient());
  // @ts-expect-error a pool of node-redis
  new IoredisStore(redis6.createClientPool());
  // @ts-expect-error a cluster of node-redis
  new IoredisStore(redis6.createCluster(cluster));
  // @ts-expect-error a sentinel of node-redis
  new IoredisStore(redis6.createSentinel(sentinel));
  // @ts-expect-error a client of Memcached
  new IoredisStore(memcache);
  // @ts-expect-error a pipeline
  new IoredisStore(new ioredis6.Redis().pipeline());
  // @ts-expect-error a pipeline
  new IoredisStore(new ioredis5.Redis().pipeline());
  // @ts-expect-error a transaction
  new IoredisStore(new ioredis6.Redis().multi());
  // @ts-expect-error a transaction
  new IoredisStore(new ioredis5.Redis().multi());
  // @ts-expect-error no client
  new IoredisStore();

  // @ts-expect-error a client of node-redis
  new GlideStore(redis6.createClient());
  // @ts-expect-error a client of ioredis
  new GlideStore(new ioredis6.Redis());
  // @ts-expect-error a client of Memcached
  new GlideStore(memcache);
  // @ts-expect-error a client that is still to come
  new GlideStore(GlideClient.createClient({ addresses }));
  // @ts-expect-error a batch
  new GlideStore(new Batch(true));
  // @ts-expect-error no client
  new GlideStore();
  // @ts-expect-error a client of GLIDE
  new RedisStore(undefined as unknown as GlideClient);
  // @ts-expect-error a client of GLIDE
  new IoredisStore(undefined as unknown as GlideClient);
  // @ts-expect-error a client of GLIDE
  new MemcacheStore(undefined as unknown as GlideClient);

  // @ts-expect-error an address
  new IoredisStore('redis://localhost');
}
