/**
 * Every client that leads to a single server, in every version that is supported. One is loaded when
 * it is asked for: to load all would take longer than all the rest of a worker's start.
 */
import { type IoredisClient, IoredisStore } from 'dlock-js/ioredis';
import { MemcacheStore } from 'dlock-js/memcache';
import { type RedisClient, RedisStore, type RedisStoreOptions } from 'dlock-js/redis';
import { GlideStore } from 'dlock-js/valkey-glide';
import type { LockStore } from '../../src/store.js';

/** It ends at once with its block, whatever state it is in. */
export interface OpenClient<Client = unknown> extends AsyncDisposable {
  readonly client: Client;
  /** A store over this client. */
  createStore(options?: RedisStoreOptions): LockStore;
  /** Ends the client in order, as a user would. */
  close(): Promise<unknown>;
}

export interface OpeningClient<Client = unknown> extends OpenClient<Client> {
  /** Settled once it has its connection; who asks it earlier waits for that, or is told. */
  readonly connected: Promise<unknown>;
}

export type Connect = (url: string) => Promise<OpenClient<NodeJS.EventEmitter>>;

/** What goes wrong is reported by the requests that it concerns. */
const ignore = () => {};

/** `redis://host:port` leads to Redis, `memcache://host:port` to Memcached. */
export const clients = {
  async 'node-redis 6'(url: string) {
    const { createClient } = await import('redis');
    return nodeRedis(createClient({ url }).on('error', ignore));
  },
  async 'node-redis 5'(url: string) {
    const { createClient } = await import('redis5');
    return nodeRedis(createClient({ url }).on('error', ignore));
  },
  async 'node-redis 4'(url: string) {
    const { createClient } = await import('redis4');
    const client = createClient({ url }).on('error', ignore);
    return {
      client,
      connected: begun(client.connect()),
      createStore: (options?: RedisStoreOptions) => new RedisStore(client, options),
      close: async () => client.quit(),
      async [Symbol.asyncDispose]() {
        if (client.isOpen) await client.disconnect();
      },
    };
  },
  async 'ioredis 6'(url: string) {
    const { Redis } = await import('ioredis');
    return ioredis(new Redis(url, { lazyConnect: true }).on('error', ignore));
  },
  async 'ioredis 5'(url: string) {
    const { Redis } = await import('ioredis5');
    return ioredis(new Redis(url, { lazyConnect: true }).on('error', ignore));
  },
  async iovalkey(url: string) {
    const { Redis } = await import('iovalkey');
    return ioredis(new Redis(url, { lazyConnect: true }).on('error', ignore));
  },
  /** Two: one for the scripts, and one that listens. */
  async glide(url: string) {
    const { openGlide } = await import('./glide.js');
    // The time limit of the store is to count, not that of the client.
    const open = () => openGlide(url, { requestTimeout: 60_000 });
    const [client, listener] = await Promise.all([open(), open()]);
    const close = async () => {
      client.close();
      listener.close();
    };
    return {
      client,
      connected: Promise.resolve(),
      createStore: (options?: RedisStoreOptions) =>
        new GlideStore(client, { ...options, listener }),
      close,
      [Symbol.asyncDispose]: close,
    };
  },
  /** It connects when it is asked for something. */
  async 'memcache-client'(url: string, options: { noDelay?: boolean } = {}) {
    const { MemcacheClient } = await import('memcache-client');
    const client = new MemcacheClient({ server: new URL(url).host, ...options });
    return {
      client,
      connected: Promise.resolve(),
      createStore: (options?: RedisStoreOptions) => new MemcacheStore(client, options),
      close: async () => client.shutdown(),
      [Symbol.asyncDispose]: async () => client.shutdown(),
    };
  },
} satisfies Record<string, (url: string) => Promise<OpeningClient>>;

/** A client of node-redis since 5, of whichever version. */
type NodeRedis = RedisClient & {
  readonly isOpen: boolean;
  close(): Promise<unknown>;
  destroy(): void;
};

function nodeRedis<Client extends NodeRedis>(client: Client) {
  return {
    client,
    connected: begun(client.connect()),
    createStore: (options?: RedisStoreOptions) => new RedisStore(client, options),
    close: async () => client.close(),
    async [Symbol.asyncDispose]() {
      if (client.isOpen) client.destroy();
    },
  };
}

/** A client of ioredis, of whichever version. */
type Ioredis = IoredisClient & {
  connect(): Promise<unknown>;
  quit(): Promise<unknown>;
  disconnect(): void;
};

function ioredis<Client extends Ioredis>(client: Client) {
  return {
    client,
    connected: begun(client.connect()),
    createStore: (options?: RedisStoreOptions) => new IoredisStore(client, options),
    close: async () => client.quit(),
    [Symbol.asyncDispose]: async () => client.disconnect(),
  };
}

/** Resolves once the client has its connection. */
export async function connected<Opening extends OpeningClient>(
  opening: Promise<Opening>,
): Promise<Opening> {
  const client = await opening;
  await client.connected;
  return client;
}

/** Nobody has to wait for it. */
function begun<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

const { 'memcache-client': _, iovalkey: __, glide: ___, ...toRedis } = clients;

/** Those of Redis, each connected. */
export const redisClients: Record<string, Connect> = Object.fromEntries(
  Object.entries(toRedis).map(([name, open]) => {
    const connect: Connect = (url) => connected<OpeningClient<NodeJS.EventEmitter>>(open(url));
    return [name, connect];
  }),
);
