/** Opens a store by its URL, for tests that run in processes of their own. */
import { fileURLToPath } from 'node:url';
import { FileStore } from 'dlock-js/file';
import { PostgresStore } from 'dlock-js/postgres';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import type { LockStore } from '../../src/store.js';
import { clients } from './clients.js';

export interface OpenStore {
  store: LockStore;
  close(): Promise<void>;
}

/**
 * `redis://host:port`, `redis+pool://host:port`, `memcache://host:port`, `postgres://...` or
 * `file:///directory`; several, with commas between them, are a quorum.
 */
export async function openStore(url: string): Promise<OpenStore> {
  if (url.includes(',')) return openQuorum(url.split(','));
  const { protocol } = new URL(url);
  if (protocol === 'file:') {
    return { store: new FileStore(fileURLToPath(url)), close: async () => {} };
  }
  if (protocol === 'postgres:') {
    const { Pool } = await import('pg');
    const pool = new Pool({ connectionString: url });
    // What goes wrong is reported by the requests that it concerns.
    pool.on('error', () => {});
    return { store: new PostgresStore(pool), close: () => pool.end() };
  }
  if (protocol === 'redis+pool:') {
    const { createClientPool } = await import('redis');
    const pool = createClientPool({ url: url.replace('+pool', '') });
    await pool.connect();
    return { store: new RedisStore(pool), close: async () => pool.destroy() };
  }
  const client = protocol === 'memcache:' ? 'memcache-client' : 'node-redis 6';
  const opened = await clients[client](url);
  // Not `close`, which waits for ever for replies if it is called while there is no connection.
  return { store: opened.createStore(), close: () => opened[Symbol.asyncDispose]() };
}

async function openQuorum(urls: string[]): Promise<OpenStore> {
  const members = await Promise.all(urls.map(openStore));
  const close = async () => {
    await Promise.all(members.map((member) => member.close()));
  };
  return { store: new QuorumStore(members.map(({ store }) => store)), close };
}
