/** The URL of a store, or a list of them: its parts, and what of it is secret. */
import { fileURLToPath } from 'node:url';
import { UsageError } from './arguments.js';

/** A comma parts two URLs only before a scheme: passwords and lists of hosts may hold commas too. */
export function urlsOf(list: string): string[] {
  return list.split(/,\s*(?=[a-z][a-z+]*:\/\/|file:\/)/i);
}

export function parseUrl(url: string): URL {
  if (!URL.canParse(url)) {
    throw new UsageError(
      'the URL of the store is none; if it holds a password, is that percent-encoded?',
    );
  }
  const parsed = new URL(url);
  // The beginning of the password would be taken for the host, and shown.
  const { protocol, pathname, search, hash } = parsed;
  if (protocol !== 'file:' && (search || hash || pathname.includes('@'))) {
    throw new UsageError(
      'the URL of the store has a @, # or ? behind its host; in a password it must be percent-encoded',
    );
  }
  return parsed;
}

export function directoryOf(url: string, parsed: URL): string {
  const whole = /^file:\/(?!\/[^/]|\/?$)/i.test(url) || /^file:\/\/(localhost)?\/./i.test(url);
  if (!whole || parsed.search || parsed.hash) {
    throw new UsageError(
      'the URL of a directory names its whole path, percent-encoded, as in file:///var/lib/dlock',
    );
  }
  try {
    return fileURLToPath(parsed);
  } catch (error) {
    throw new UsageError(`the URL of the store is none: ${(error as Error).message}`);
  }
}

export function checkRedisUrl({ hostname, pathname }: URL): void {
  if (!hostname || !/^\/?\d*$/.test(pathname)) {
    throw new UsageError(
      'the URL of a Redis server is redis://[[user]:password@]host[:port][/database]',
    );
  }
}

/** These name several hosts, which a URL cannot. */
export function isTopology(url: string): boolean {
  return /^redis\+/i.test(url);
}

/** The URL without its credentials. */
export function placeOf(url: string): string {
  if (isTopology(url)) return url.replace(/\/\/.*@/, '//');
  const { protocol, host, pathname } = parseUrl(url);
  return protocol + host + pathname;
}

/** What must appear in no message: the URLs, the passwords in them, and both as they are written. */
export function secretsOf(url: string): string[] {
  return [url, ...urlsOf(url)].flatMap(secretsOfOne);
}

function secretsOfOne(url: string): string[] {
  const [, credentials] = /^[a-z+]*:\/*(.*)@/is.exec(url) ?? [];
  if (!credentials) return [];
  const password = credentials.slice(credentials.indexOf(':') + 1);
  // A short one may be part of any word; alone, it gives nothing away.
  const passwords = [password, decoded(password)].filter(({ length }) => length > 3);
  return [url, `${credentials}@`, ...passwords];
}

export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
