/** The stores that faults are tried on, each behind the proxy: one row a store. */
import { once } from 'node:events';
import { after, before } from 'node:test';
import { IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { RedisStore } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { MemcacheClient } from 'memcache-client';
import { createClient } from 'redis';
import type { LockStore } from '../../src/store.js';
import type { StoreOptions } from '../../src/stores/options.js';
import { type OwnServer, startMemcached, startRedis } from '../servers.js';
import { memcached } from './memcached.js';
import type { Protocol } from './protocol.js';
import { startProxy } from './proxy.js';
import { resp } from './resp.js';

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
  startServer(): Promise<OwnServer>;
  /** Connects a client of its own, which lasts as long as its block. */
  open(port: number, options?: StoreOptions): Promise<OpenStore>;
}

export interface OpenStore extends AsyncDisposable {
  readonly store: LockStore;
}

export const storeKinds: StoreKind[] = [
  {
    name: 'redis',
    protocol: resp,
    step: 1,
    queuesOffline: true,
    resends: false,
    wakes: true,
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
    startServer: startMemcached,
    open: openMemcache,
  },
];

/** What the tests of one block share; call it at the beginning of the block. */
export function setTheScene({ protocol, startServer, open }: StoreKind) {
  let server: OwnServer;
  let direct: OpenStore;
  before(async () => {
    server = await startServer();
    direct = await open(server.port);
  });
  after(async () => {
    await direct[Symbol.asyncDispose]();
    await server.stop();
  });
  return {
    startProxy: () => startProxy(server.port, protocol),
    /** Others, between whom and the server there is no proxy. */
    get direct(): LockStore {
      return direct.store;
    },
  };
}

async function openRedis(port: number, options?: StoreOptions): Promise<OpenStore> {
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => {});
  await client.connect();
  return {
    store: new RedisStore(client, options),
    [Symbol.asyncDispose]: async () => client.destroy(),
  };
}

async function openIoredis(port: number, options?: StoreOptions): Promise<OpenStore> {
  const client = new Redis(port, '127.0.0.1');
  client.on('error', () => {});
  await once(client, 'ready');
  return {
    store: new IoredisStore(client, options),
    [Symbol.asyncDispose]: async () => client.disconnect(),
  };
}

async function openMemcache(port: number, options?: StoreOptions): Promise<OpenStore> {
  const client = new MemcacheClient({ server: `127.0.0.1:${port}` });
  return {
    store: new MemcacheStore(client, options),
    [Symbol.asyncDispose]: async () => client.shutdown(),
  };
}
