/** Opens a store by its URL, for tests that run in processes of their own. */
import { fileURLToPath } from 'node:url';
import { EtcdStore } from 'dlock-js/etcd';
import { FileStore } from 'dlock-js/file';
import { MysqlStore } from 'dlock-js/mysql';
import { PostgresStore } from 'dlock-js/postgres';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { SqliteStore } from '../../examples/sqlite-store.js';
import type { LockStore } from '../../src/store.js';
import { clients } from './clients.js';

export interface OpenStore {
  store: LockStore;
  close(): Promise<void>;
}

/**
 * `redis://host:port` (and `redis+pool:`, `redis+iovalkey:`, `redis+glide:`), `memcache://host:port`,
 * `postgres://...`, `mysql://...`, `etcd://host:port,host:port` (one cluster), `file:///directory` or
 * `sqlite:///file` (the store of an example); several others, with commas between them, are a quorum.
 *
 * @param timeout of a store that has no client, whose own time limit counts, in milliseconds.
 */
export async function openStore(url: string, timeout?: number): Promise<OpenStore> {
  if (url.startsWith('etcd:')) {
    const endpoints = url.slice('etcd://'.length).split(',');
    const store = new EtcdStore(
      endpoints.map((address) => `http://${address}`),
      { timeout },
    );
    return { store, close: async () => {} };
  }
  if (url.includes(',')) return openQuorum(url.split(','));
  const { protocol } = new URL(url);
  if (protocol === 'file:') {
    return { store: new FileStore(fileURLToPath(url)), close: async () => {} };
  }
  if (protocol === 'sqlite:') {
    const { default: Database } = await import('libsql');
    const database = new Database(new URL(url).pathname);
    return { store: new SqliteStore(database), close: async () => void database.close() };
  }
  if (protocol === 'postgres:') {
    const { Pool } = await import('pg');
    const pool = new Pool({ connectionString: url });
    // What goes wrong is reported by the requests that it concerns.
    pool.on('error', () => {});
    return { store: new PostgresStore(pool), close: () => pool.end() };
  }
  if (protocol === 'mysql:') {
    const { createPool } = await import('mysql2/promise');
    const pool = createPool(url);
    return { store: new MysqlStore(pool), close: () => pool.end() };
  }
  if (protocol === 'redis+pool:') {
    const { createClientPool } = await import('redis');
    const pool = createClientPool({ url: url.replace('+pool', '') });
    await pool.connect();
    return { store: new RedisStore(pool), close: async () => pool.destroy() };
  }
  const client = otherClients[protocol] ?? 'node-redis 6';
  const opened = await clients[client](url.replace(/\+\w+/, ''));
  // Not `close`, which waits indefinitely for replies if it is called while there is no connection.
  return { store: opened.createStore(), close: () => opened[Symbol.asyncDispose]() };
}

/** By the protocol of a URL; for all others, node-redis. */
const otherClients: Partial<Record<string, keyof typeof clients>> = {
  'memcache:': 'memcache-client',
  'redis+iovalkey:': 'iovalkey',
  'redis+glide:': 'glide',
};

async function openQuorum(urls: string[]): Promise<OpenStore> {
  const members = await Promise.all(urls.map((member) => openStore(member)));
  const close = async () => {
    await Promise.all(members.map((member) => member.close()));
  };
  return { store: new QuorumStore(members.map(({ store }) => store)), close };
}
