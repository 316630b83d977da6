/** Where a store is: what its URL says, how messages name it, and when two are the same. */
import { statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Host {
  readonly host: string;
  readonly port: number;
}

/** A Unix domain socket. */
export interface Socket {
  readonly path: string;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** Paths of PEM files, by the names that redis-cli has for them. */
export interface TlsFiles {
  /** Certificates of the authorities that are trusted, in place of those that Node.js trusts. */
  readonly cacert?: string;
  /** Our own certificate, for a server that asks for one, and its key. */
  readonly cert?: string;
  readonly key?: string;
}

export interface RedisServer {
  readonly kind: 'redis';
  readonly address: Host | Socket;
  readonly database: number;
  readonly credentials: Credentials;
  /** Undefined: no TLS. */
  readonly tls: TlsFiles | undefined;
}

export interface RedisCluster {
  readonly kind: 'cluster';
  readonly nodes: readonly Host[];
  readonly credentials: Credentials;
}

export interface RedisSentinel {
  readonly kind: 'sentinel';
  readonly nodes: readonly Host[];
  /** What the sentinels call the master. */
  readonly master: string;
  /** Those of the servers, not of the sentinels. */
  readonly credentials: Credentials;
}

export type RedisPlace = RedisServer | RedisCluster | RedisSentinel;

export interface MemcachedServer {
  readonly kind: 'memcached';
  readonly address: Host;
}

export interface Directory {
  readonly kind: 'directory';
  readonly directory: string;
}

export type Place = RedisPlace | MemcachedServer | Directory;

/** The URL of a place as messages name it: with its defaults, and without its credentials. */
export function nameOf(place: Place): string {
  switch (place.kind) {
    case 'redis': {
      const { address, database, tls } = place;
      if ('path' in address) return `redis+unix://${address.path}?db=${database}`;
      return `${tls ? 'rediss' : 'redis'}://${hostAndPort(address)}/${database}`;
    }
    case 'cluster':
      return `redis+cluster://${place.nodes.map(hostAndPort).join()}`;
    case 'sentinel':
      return `redis+sentinel://${place.nodes.map(hostAndPort).join()}/${place.master}`;
    case 'memcached':
      return `memcache://${hostAndPort(place.address)}`;
    case 'directory':
      return pathToFileURL(place.directory).href;
  }
}

/**
 * What tells one server or directory from another, however it is spelled: two places that share one
 * of these are the same. The databases of one Redis are: they fail together.
 */
export function identitiesOf(place: Place): string[] {
  switch (place.kind) {
    case 'redis':
      return 'path' in place.address
        ? [identityOfFile(place.address.path)]
        : [identityOfHost(place.address)];
    case 'cluster':
      return distinct(place.nodes.map(identityOfHost));
    case 'sentinel':
      return distinct(place.nodes.map((node) => `${place.master}@${identityOfHost(node)}`));
    case 'memcached':
      return [identityOfHost(place.address)];
    case 'directory':
      return [identityOfFile(place.directory)];
  }
}

function distinct(texts: string[]): string[] {
  return [...new Set(texts)];
}

function hostAndPort({ host, port }: Host): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** All that leads to this machine itself, wherever on it the server listens. */
const loopback = /^(localhost|ip6-localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|\[::ffff:7f00:1\])$/;

/** What other names the same host has, only its DNS knows. */
function identityOfHost({ host, port }: Host): string {
  // As a host of HTTP, a name is written in lower case, and an address in its one normal form.
  const url = `http://${hostAndPort({ host, port })}`;
  const normal = URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, '') : host;
  return `${loopback.test(normal) ? 'localhost' : normal}:${port}`;
}

/** Of what is not there yet: the nearest directory above it that is, and the rest of the path. */
function identityOfFile(path: string): string {
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      const { dev, ino } = statSync(existing);
      return join(`${dev}:${ino}`, relative(existing, path));
    } catch (error) {
      if (existing === dirname(existing)) throw error;
    }
  }
}
