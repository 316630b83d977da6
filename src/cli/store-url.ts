/** The URL of a store, or a list of them: where it says that the store is, and what of it is secret. */
import { fileURLToPath } from 'node:url';
import { UsageError } from './arguments.js';
import type { Place } from './place.js';
import { readRedisServer, readRedisSocket, readRedisTopology } from './redis-url.js';
import { decoded, hostOf, parseUrl } from './url-parts.js';

/**
 * @param list the URL of a store; or several, with commas between them.
 * @throws UsageError, never with a password in it.
 */
export function placesOf(list: string): Place[] {
  return urlsOf(list).map(placeOf);
}

function placeOf(url: string): Place {
  // These are no URLs to the parser: a path behind credentials without a host, several hosts.
  if (/^redis\+unix:/i.test(url)) return readRedisSocket(url);
  if (/^redis\+/i.test(url)) return readRedisTopology(url);
  const parsed = parseUrl(url);
  switch (parsed.protocol) {
    case 'file:':
      return { kind: 'directory', directory: directoryOf(url, parsed) };
    case 'redis:':
    case 'rediss:':
      return readRedisServer(parsed);
    case 'memcache:':
      return readMemcached(parsed);
    default:
      throw new UsageError(
        'the URL of the store must begin with redis://, rediss://, redis+unix://, redis+cluster://, redis+sentinel://, memcache:// or file:',
      );
  }
}

function readMemcached(parsed: URL): Place {
  const { hostname, pathname, search, username, password } = parsed;
  if (!hostname || username || password || search || pathname.length > 1) {
    throw new UsageError('the URL of a Memcached server is memcache://host[:port]');
  }
  return { kind: 'memcached', address: hostOf(parsed, 11_211) };
}

function directoryOf(url: string, parsed: URL): string {
  const whole = /^file:\/(?!\/[^/]|\/?$)/i.test(url) || /^file:\/\/(localhost)?\/./i.test(url);
  if (!whole || parsed.search || parsed.hash) {
    throw new UsageError(
      'the URL of a directory names its whole path, percent-encoded, as in file:///var/lib/dlock',
    );
  }
  decoded(parsed.pathname);
  try {
    return fileURLToPath(parsed);
  } catch (error) {
    throw new UsageError(`the URL of the store is invalid: ${(error as Error).message}`);
  }
}

/** A comma parts two URLs only before a scheme: passwords and lists of hosts may hold commas too. */
function urlsOf(list: string): string[] {
  return list.split(/,\s*(?=[a-z][a-z+]*:\/\/|file:\/)/i);
}

/** What must appear in no message: the URLs, the passwords in them, and both as they are written. */
export function secretsOf(list: string): string[] {
  return [list, ...urlsOf(list)].flatMap(secretsOfOne);
}

function secretsOfOne(url: string): string[] {
  const [, credentials] = /^[a-z+]*:\/*(.*)@/is.exec(url) ?? [];
  if (!credentials) return [];
  const password = credentials.slice(credentials.indexOf(':') + 1);
  // A short one may be part of any word; alone, it gives nothing away.
  const passwords = [password, decodedIfPossible(password)].filter(({ length }) => length > 3);
  return [url, `${credentials}@`, ...passwords];
}

function decodedIfPossible(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
