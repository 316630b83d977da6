/** The URLs of Redis: a server, by its host or its socket, a cluster, or what sentinels watch over. */
import { UsageError } from './arguments.js';
import type { Host, RedisPlace, RedisServer, TlsFiles } from './place.js';
import { credentialsOf, decoded, hostOf } from './url-parts.js';

const usualPort = 6_379;

export function readRedisServer(parsed: URL): RedisServer {
  const { hostname, pathname, username, password, protocol, search } = parsed;
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
    tls: protocol === 'rediss:' ? tlsFilesOf(search) : undefined,
  };
}

/** A parameter that is none of these may be the end of a password, and is not shown. */
function tlsFilesOf(search: string): TlsFiles {
  const pairs = search.slice(1).split('&').filter(Boolean);
  const files = pairs.map((pair): [string, string] => {
    const [, name, path] = /^(cacert|cert|key)=(.+)$/.exec(pair) ?? [];
    if (name === undefined || path === undefined) {
      throw new UsageError(
        'the parameters of a rediss:// URL are ?cacert=, ?cert= and ?key=, each with the path of a PEM file',
      );
    }
    return [name, decoded(path)];
  });
  const tls: TlsFiles = Object.fromEntries(files);
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new UsageError('the parameters cert and key of a rediss:// URL need each other');
  }
  return tls;
}

const socket =
  /^redis\+unix:\/\/(?:(?<user>[^@:/?#]*)(?::(?<secret>[^@/?#]*))?@)?(?<path>\/[^?#@]+)(?:\?db=(?<database>\d+))?$/i;

export function readRedisSocket(url: string): RedisServer {
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

const topology =
  /^redis\+(?<kind>cluster|sentinel):\/\/(?:(?<user>[^@:/?#]*)(?::(?<secret>[^@/?#]*))?@)?(?<hosts>[^@/?#]+)(?:\/(?<name>[^/?#@]*))?$/i;

export function readRedisTopology(url: string): RedisPlace {
  const { kind = '', user, secret, hosts = '', name = '' } = topology.exec(url)?.groups ?? {};
  const isSentinel = kind.toLowerCase() === 'sentinel';
  const usual = isSentinel ? 26_379 : usualPort;
  const nodes = hosts.split(',').flatMap((host) => nodeOf(host, usual));
  if (nodes.length < hosts.split(',').length || isSentinel !== name.length > 0) {
    throw new UsageError(
      'the URL is redis+cluster://[[user]:password@]host[:port][,host[:port]...], or redis+sentinel://[[user]:password@]host[:port][,host[:port]...]/master',
    );
  }
  const credentials = credentialsOf(user, secret);
  if (!isSentinel) return { kind: 'cluster', nodes, credentials };
  return { kind: 'sentinel', nodes, master: decoded(name), credentials };
}

/** None: the text is no host. */
function nodeOf(text: string, usual: number): Host[] {
  const url = `redis://${text}`;
  if (!URL.canParse(url)) return [];
  const parsed = new URL(url);
  return parsed.hostname ? [hostOf(parsed, usual)] : [];
}
