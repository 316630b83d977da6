/** The stores that faults are tried on, each behind the proxy: one row a store. */
import { once } from 'node:events';
import { after, before } from 'node:test';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import type { LockStore } from '../../src/store.js';
import type { StoreOptions } from '../../src/stores/options.js';
import { memcached } from '../support/proxy/memcached.js';
import type { Protocol } from '../support/proxy/protocol.js';
import { startProxies } from '../support/proxy/proxies.js';
import { resp } from '../support/proxy/resp.js';
import { type OwnServer, startMemcached, startRedis } from '../support/servers.js';

export interface StoreKind {
  readonly name: string;
  readonly protocol: Protocol;
  /** The smallest step of a life, in milliseconds. */
  readonly step: number;
  /** The client keeps what it is asked for while it has no connection, and sends it later. */
  readonly queuesOffline: boolean;
  /** The client sends again, by itself, what the connection was lost for before it was answered. */
  readonly resends: boolean;
  /** Its clients subscribe, and those who wait are woken. */
  readonly wakes: boolean;
  /** How many servers it lives on. */
  readonly servers: 1 | 3;
  startServer(): Promise<OwnServer>;
  /** Connects clients of its own, one for each server, which last as long as their block. */
  open(ports: readonly number[], options?: StoreOptions): Promise<OpenStore>;
}

export interface OpenStore extends AsyncDisposable {
  readonly store: LockStore;
}

export const singleServers: StoreKind[] = [
  {
    name: 'redis',
    protocol: resp,
    step: 1,
    queuesOffline: true,
    resends: false,
    wakes: true,
    servers: 1,
    startServer: startRedis,
    open: openRedis,
  },
  {
    name: 'ioredis',
    protocol: resp,
    step: 1,
    queuesOffline: true,
    resends: true,
    wakes: true,
    servers: 1,
    startServer: startRedis,
    open: openIoredis,
  },
  {
    name: 'memcache',
    protocol: memcached,
    step: 1_000,
    queuesOffline: false,
    resends: false,
    wakes: false,
    servers: 1,
    startServer: startMemcached,
    open: openMemcache,
  },
];

/** The last is a quorum of which no majority escapes: what happens to one member happens to all. */
export const storeKinds: StoreKind[] = [
  ...singleServers,
  {
    name: 'quorum',
    protocol: resp,
    step: 1,
    queuesOffline: false, // some of the three do, by chance
    resends: false,
    wakes: true,
    servers: 3,
    startServer: startRedis,
    open: openQuorum,
  },
];

/** What the tests of one block share; call it at the beginning of the block. */
export function setTheScene({ protocol, servers: count, startServer, open }: StoreKind) {
  let servers: OwnServer[];
  let direct: OpenStore;
  before(async () => {
    servers = await Promise.all(Array.from({ length: count }, startServer));
    direct = await open(servers.map(({ port }) => port));
  });
  after(async () => {
    await direct[Symbol.asyncDispose]();
    for (const server of servers) await server.stop();
  });
  return {
    startProxy: () =>
      startProxies(
        servers.map(({ port }) => port),
        protocol,
      ),
    /** Others, between whom and the servers there is no proxy. */
    get direct(): LockStore {
      return direct.store;
    },
  };
}

async function openRedis([port]: readonly number[], options?: StoreOptions): Promise<OpenStore> {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {});
  await client.connect();
  return {
    store: new RedisStore(client, options),
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}

async function openIoredis([port]: readonly number[], options?: StoreOptions): Promise<OpenStore> {
  const client = new Redis(Number(port), '127.0.0.1');
  client.on('error', () => {});
  await once(client, 'ready');
  return {
    store: new IoredisStore(client, options),
    [Symbol.asyncDispose]: async () => client.disconnect(),
  };
}

async function openQuorum(ports: readonly number[], options?: StoreOptions): Promise<OpenStore> {
  const members = await Promise.all(ports.map((port) => openRedis([port])));
  return {
    store: new QuorumStore(
      members.map(({ store }) => store),
      options,
    ),
    async [Symbol.asyncDispose]() {
      for (const member of members) await member[Symbol.asyncDispose]();
    },
  };
}

async function openMemcache([port]: readonly number[], options?: StoreOptions): Promise<OpenStore> {
  const client = new MemcacheClient({ server: `127.0.0.1:${port}` });
  return {
    store: new MemcacheStore(client, options),
    [Symbol.asyncDispose]: async () => client.shutdown(),
  };
}
