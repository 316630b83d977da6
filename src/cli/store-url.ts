/** The URL of a store, or a list of them: where it says that the store is, and what of it is secret. */
import { UsageError } from './arguments.js';
import { directory } from './directory.js';
import { etcd } from './etcd.js';
import { memcached } from './memcached.js';
import { mysql } from './mysql.js';
import type { Kind, Place } from './place.js';
import { postgres } from './postgres.js';
import { redis } from './redis.js';
import { parseUrl } from './url-parts.js';

const kinds: readonly Kind[] = [redis, postgres, mysql, etcd, memcached, directory];

/**
 * @param list the URL of a store; or several, with commas between them.
 * @throws UsageError, never with a password in it.
 */
export function placesOf(list: string): Place[] {
  return urlsOf(list).map(placeOf);
}

function placeOf(url: string): Place {
  const [scheme = ''] = /^[a-z+]+:/i.exec(url) ?? [];
  const kind = kinds.find(({ schemes }) => schemes.some((each) => isScheme(each, scheme)));
  if (kind) return kind.read(url);
  parseUrl(url);
  const schemes = kinds.flatMap((each) => each.schemes);
  throw new UsageError(
    `the URL of the store must begin with ${schemes.slice(0, -1).join(', ')} or ${schemes.at(-1)}`,
  );
}

function isScheme(known: string, scheme: string): boolean {
  return known.replace(/\/*$/, '') === scheme.toLowerCase();
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
