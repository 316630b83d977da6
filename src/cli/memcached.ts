/** Memcached. */
import { MemcacheStore } from '../stores/memcache.js';
import { UsageError } from './arguments.js';
import { connectTimeout, load, refuse } from './client.js';
import { hostAndPort, identityOfHost } from './hosts.js';
import type { Kind, Place } from './place.js';
import { hostOf, parseUrl } from './url-parts.js';

export const memcached: Kind = { schemes: ['memcache://'], read };

function read(url: string): Place {
  const parsed = parseUrl(url);
  const { hostname, pathname, username, password } = parsed;
  if (!hostname || username || password || pathname.length > 1) {
    throw new UsageError('the URL of a Memcached server is memcache://host[:port]');
  }
  const address = hostOf(parsed, 11_211);
  return {
    name: `memcache://${hostAndPort(address)}`,
    identities: () => [identityOfHost(address)],
    check: (options) => void new MemcacheStore(standIn, options),
    connects: false,
    shares: false,
    async load() {
      const { MemcacheClient } = await load('memcache-client', () => import('memcache-client'));
      const server = new Address(address.host, address.port) as unknown as string;
      return async (options) =>
        new MemcacheStore(new MemcacheClient({ server: { server }, connectTimeout }), options);
    },
  };
}

/** A client that stands for one that is yet to be made. */
const standIn = { add: refuse, gets: refuse, cas: refuse, xsend: refuse };

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
