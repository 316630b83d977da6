/** What the URLs of all servers have in common: how their parts are read, and when they are refused. */
import { UsageError } from './arguments.js';
import type { Credentials, Host } from './place.js';

/** @throws UsageError, also if the beginning of a password would be taken for the host, and shown. */
export function parseUrl(url: string): URL {
  if (!URL.canParse(url)) {
    throw new UsageError(
      'the URL of the store is invalid; if it holds a password, is that percent-encoded?',
    );
  }
  const parsed = new URL(url);
  const { protocol, pathname, search, hash } = parsed;
  const hasParameters = search !== '' && protocol !== 'rediss:';
  if (protocol !== 'file:' && (hash || hasParameters || `${pathname}${search}`.includes('@'))) {
    throw new UsageError(
      'the URL of the store has a @, # or ? behind its host; in a password it must be percent-encoded, and parameters are for rediss:// and redis+unix:// alone',
    );
  }
  return parsed;
}

/** @param usual the port of a URL that names none. */
export function hostOf({ hostname, port }: URL, usual: number): Host {
  if (Number(port || usual) === 0) throw new UsageError('the URL of the store has the port 0');
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || usual) };
}

/** @param secret the password, percent-encoded like the user. */
export function credentialsOf(user: string | undefined, secret: string | undefined): Credentials {
  return {
    ...(user && { username: decoded(user) }),
    ...(secret && { password: decoded(secret) }),
  };
}

/** @throws UsageError for a raw percent sign. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(
      'the URL of the store has a % that encodes nothing; a % in a password or a path is written %25',
    );
  }
}
