/** Every client that leads to a single Redis server, in every version that is supported, connected. */
import { IoredisStore } from 'dlock-js/ioredis';
import { RedisStore, type RedisStoreOptions } from 'dlock-js/redis';
import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis5';
import { createClient } from 'redis';
import { createClient as createClient4 } from 'redis4';
import { createClient as createClient5 } from 'redis5';
import type { LockStore } from '../../src/store.js';

/** It ends at once with its block, whatever state it is in. */
export interface ConnectedClient extends AsyncDisposable {
  readonly client: NodeJS.EventEmitter;
  /** A store over this client. */
  createStore(options?: RedisStoreOptions): LockStore;
  /** Ends the client in order, as a user would. */
  close(): Promise<unknown>;
}

export type Connect = (url: string) => Promise<ConnectedClient>;

/** What goes wrong is reported by the commands that it concerns. */
const ignore = () => {};

export const redisClients: Record<string, Connect> = {
  async 'node-redis 6'(url) {
    const client = await createClient({ url }).on('error', ignore).connect();
    return {
      client,
      createStore: (options) => new RedisStore(client, options),
      close: async () => client.close(),
      async [Symbol.asyncDispose]() {
        if (client.isOpen) client.destroy();
      },
    };
  },
  async 'node-redis 5'(url) {
    const client = await createClient5({ url }).on('error', ignore).connect();
    return {
      client,
      createStore: (options) => new RedisStore(client, options),
      close: async () => client.close(),
      async [Symbol.asyncDispose]() {
        if (client.isOpen) client.destroy();
      },
    };
  },
  async 'node-redis 4'(url) {
    const client = createClient4({ url }).on('error', ignore);
    await client.connect();
    return {
      client,
      createStore: (options) => new RedisStore(client, options),
      close: async () => client.quit(),
      async [Symbol.asyncDispose]() {
        if (client.isOpen) await client.disconnect();
      },
    };
  },
  async 'ioredis 6'(url) {
    const client = new Redis(url, { lazyConnect: true }).on('error', ignore);
    await client.connect();
    return {
      client,
      createStore: (options) => new IoredisStore(client, options),
      close: async () => client.quit(),
      async [Symbol.asyncDispose]() {
        client.disconnect();
      },
    };
  },
  async 'ioredis 5'(url) {
    const client = new Redis5(url, { lazyConnect: true }).on('error', ignore);
    await client.connect();
    return {
      client,
      createStore: (options) => new IoredisStore(client, options),
      close: async () => client.quit(),
      async [Symbol.asyncDispose]() {
        client.disconnect();
      },
    };
  },
};
