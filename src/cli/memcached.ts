/** Memcached by its host. */
import { MemcacheStore, type MemcacheStoreOptions } from '../stores/memcache.js';
import { connectTimeout, load } from './client.js';
import type { MemcachedServer } from './place.js';

/** This client connects with its first request. */
export async function openMemcached(
  { address: { host, port } }: MemcachedServer,
  options: MemcacheStoreOptions,
): Promise<MemcacheStore> {
  const { MemcacheClient } = await load('memcache-client', () => import('memcache-client'));
  const server = new Address(host, port) as unknown as string;
  return new MemcacheStore(new MemcacheClient({ server: { server }, connectTimeout }), options);
}

/**
 * What the client takes for a text `host:port`. It splits that at each colon, and takes what is
 * before the first for the host, which an IPv6 address does not survive.
 */
class Address extends String {
  readonly #parts: string[];

  constructor(host: string, port: number) {
    super(`${host}:${port}`);
    this.#parts = [host, `${port}`];
  }

  override split(): string[] {
    return this.#parts;
  }
}
