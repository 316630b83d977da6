/** The stores that faults are tried on, each behind the proxy: one row a store. */
import { after, before } from 'node:test';
import { QuorumStore } from 'dlock-js/quorum';
import type { LockStore } from '../../src/store.js';
import type { StoreOptions } from '../../src/stores/options.js';
import { clients, connected, type OpeningClient } from '../support/clients.js';
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
  /** How many may be let in at once, of each sort. */
  readonly limits: readonly number[];
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
    limits: [1, 3],
    servers: 1,
    startServer: startRedis,
    open: ([port], options) => openOne('node-redis 6', `redis://127.0.0.1:${port}`, options),
  },
  {
    name: 'ioredis',
    protocol: resp,
    step: 1,
    queuesOffline: true,
    resends: true,
    wakes: true,
    limits: [1, 3],
    servers: 1,
    startServer: startRedis,
    open: ([port], options) => openOne('ioredis 6', `redis://127.0.0.1:${port}`, options),
  },
  {
    name: 'valkey-glide',
    protocol: resp,
    step: 1,
    queuesOffline: false,
    resends: false,
    wakes: true,
    limits: [1, 3],
    servers: 1,
    startServer: startRedis,
    open: ([port], options) => openOne('glide', `redis://127.0.0.1:${port}`, options),
  },
  {
    name: 'memcache',
    protocol: memcached,
    step: 1_000,
    queuesOffline: false,
    resends: false,
    wakes: false,
    limits: [1],
    servers: 1,
    startServer: startMemcached,
    open: ([port], options) => openOne('memcache-client', `memcache://127.0.0.1:${port}`, options),
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
    limits: [1, Infinity],
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

/** A client of its own before a single server. */
async function openOne(
  client: 'node-redis 6' | 'ioredis 6' | 'glide' | 'memcache-client',
  url: string,
  options: StoreOptions | undefined,
): Promise<OpenStore> {
  const opened = await connected<OpeningClient>(clients[client](url));
  return {
    store: opened.createStore(options),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

async function openQuorum(ports: readonly number[], options?: StoreOptions): Promise<OpenStore> {
  const members = await Promise.all(
    ports.map((port) => openOne('node-redis 6', `redis://127.0.0.1:${port}`, undefined)),
  );
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
