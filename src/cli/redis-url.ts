/** The URLs of Redis and Valkey: a server, by its host or its socket, a cluster, or what sentinels watch over. */
import { UsageError } from './arguments.js';
import type { Host, Socket } from './hosts.js';
import { readTlsFiles, type TlsFiles } from './tls-files.js';
import {
  type Credentials,
  credentialsOf,
  decoded,
  hostOf,
  parseUrl,
  parseUrlWithParameters,
  readTopology,
} from './url-parts.js';

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

const usualPort = 6_379;

/** Valkey speaks as Redis does, and is found by the same URLs. */
export function readRedisUrl(url: string): RedisPlace {
  const known = url.replace(/^valkey/i, 'redis').replace(/^rediss(?=s)/i, 'redis');
  if (/^redis\+unix:/i.test(known)) return readSocket(known);
  if (/^redis\+/i.test(known)) return readNodes(known);
  return readServer(known);
}

function readServer(url: string): RedisServer {
  const isSecure = /^rediss:/i.test(url);
  const parsed = isSecure ? parseUrlWithParameters(url) : parseUrl(url);
  const { hostname, pathname, username, password, search } = parsed;
  if (!hostname || !/^\/?\d*$/.test(pathname)) {
    throw new UsageError(
      'the URL of a Redis server is redis://[[user]:password@]host[:port][/database]',
    );
  }
  return {
    kind: 'redis',
    address: hostOf(parsed, usualPort),
    database: Number(pathname.slice(1)),
    credentials: credentialsOf(username, password),
    tls: isSecure ? readTlsFiles(search, 'rediss://') : undefined,
  };
}

/** To the parser it is no URL, with a path behind credentials and no host. */
const socket =
  /^redis\+unix:\/\/(?:(?<user>[^@:/?#]*)(?::(?<secret>[^@/?#]*))?@)?(?<path>\/[^?#@]+)(?:\?db=(?<database>\d+))?$/i;

function readSocket(url: string): RedisServer {
  const { user, secret, path, database = '0' } = socket.exec(url)?.groups ?? {};
  if (path === undefined) {
    throw new UsageError(
      'the URL of a socket of Redis is redis+unix://[[user]:password@]/path[?db=database], its parts percent-encoded',
    );
  }
  return {
    kind: 'redis',
    address: { path: decoded(path) },
    database: Number(database),
    credentials: credentialsOf(user, secret),
    tls: undefined,
  };
}

function readNodes(url: string): RedisPlace {
  const [, kind = ''] = /^redis\+(cluster|sentinel):/i.exec(url) ?? [];
  const isSentinel = kind.toLowerCase() === 'sentinel';
  const { nodes, credentials, rest } = readTopology(url, isSentinel ? 26_379 : usualPort) ?? {};
  const [, master = ''] = /^\/([^/?]*)$/.exec(rest ?? '') ?? [];
  const isWhole = rest === '' || /^\/[^/?]*$/.test(rest ?? '');
  if (!kind || !nodes || !credentials || !isWhole || isSentinel !== master.length > 0) {
    throw new UsageError(
      'the URL is redis+cluster://[[user]:password@]host[:port][,host[:port]...], or redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master',
    );
  }
  if (!isSentinel) return { kind: 'cluster', nodes, credentials };
  return { kind: 'sentinel', nodes, master: decoded(master), credentials };
}
