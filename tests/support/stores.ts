/**
 * Opens a store by its URL, for tests that run in processes of their own. Of the clients, only the
 * one that is needed is loaded: that takes longer than all the rest of a start.
 */
import { fileURLToPath } from 'node:url';
import { FileStore } from 'dlock-js/file';
import { MemcacheStore } from 'dlock-js/memcache';
import { QuorumStore } from 'dlock-js/quorum';
import { RedisStore } from 'dlock-js/redis';
import { PostgresStore } from '../../examples/postgres-store.js';
import type { LockStore } from '../../src/store.js';

export interface OpenStore {
  store: LockStore;
  close(): Promise<void>;
}

/**
 * `redis://host:port`, `memcache://host:port`, `postgres://...` or `file:///directory`; several,
 * with commas between them, are a quorum.
 */
export async function openStore(url: string): Promise<OpenStore> {
  if (url.includes(',')) return openQuorum(url.split(','));
  const { protocol, host } = new URL(url);
  if (protocol === 'file:') {
    return { store: new FileStore(fileURLToPath(url)), close: async () => {} };
  }
  if (protocol === 'memcache:') {
    const { MemcacheClient } = await import('memcache-client');
    const client = new MemcacheClient({ server: host });
    return { store: new MemcacheStore(client), close: async () => client.shutdown() };
  }
  if (protocol === 'postgres:') {
    const { Pool } = await import('pg');
    const pool = new Pool({ connectionString: url });
    return { store: new PostgresStore(pool), close: () => pool.end() };
  }
  const { createClient } = await import('redis');
  const client = createClient({ url });
  // The request that fails tells it; one that comes too early waits for the connection.
  client.on('error', () => {});
  client.connect().catch(() => {});
  // Not `close`, which waits for ever for replies if it is called while there is no connection.
  return { store: new RedisStore(client), close: async () => client.destroy() };
}

async function openQuorum(urls: string[]): Promise<OpenStore> {
  const members = await Promise.all(urls.map(openStore));
  const close = async () => {
    await Promise.all(members.map((member) => member.close()));
  };
  return { store: new QuorumStore(members.map(({ store }) => store)), close };
}
