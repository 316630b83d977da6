/**
 * Where a lock lies in etcd. All its keys begin with the prefix, so that a user with a right to that range needs
 * no other. The lock's own is prefix + name, and holds the token of the holder, or a promise. Those of the places
 * in its queue go on with one NUL, which no name begins with (but for those of Dlock itself, with two).
 */
import { createHash } from 'node:crypto';
import { encode, type Range } from './transactions.js';

/** etcd keeps all keys in memory, and takes no request of more than 1.5 MiB; longer names go by their hash. */
const longestName = 1_000;
/** What the lock holds, before the id of a token, while it is promised to that. */
const promiseMark = '>';

export class LockKeys {
  /** In base64, as all of them. */
  readonly lock: string;
  /** All places. */
  readonly queue: Range;
  /** Those of the tokens of one store, which watches them. */
  readonly own: Range;
  readonly #ownBegin: string;

  /** @param mailbox names the store, in hexadecimal. */
  constructor(prefix: string, name: string, mailbox: string) {
    const root = `${prefix}\0${digest(name)}`;
    this.lock = encode(name.length > longestName ? root : prefix + name);
    // The character behind each separator ends its range.
    this.queue = { key: encode(`${root}/`), range_end: encode(`${root}0`) };
    this.#ownBegin = `${root}/${mailbox}`;
    this.own = { key: encode(`${this.#ownBegin}.`), range_end: encode(`${this.#ownBegin}/`) };
  }

  place(token: string): string {
    return encode(`${this.#ownBegin}.${idOf(token)}`);
  }
}

/** By which others may know a token. */
export function idOf(token: string): string {
  return digest(token).slice(0, 32);
}

/** What the lock holds while it is promised to the token of that id. */
export function promiseTo(id: string): string {
  return promiseMark + id;
}

export function isPromise(value: string): boolean {
  return value.startsWith(promiseMark);
}

/** The id of the token that stands at a place, by its key. */
export function idAt(place: string): string {
  const key = Buffer.from(place, 'base64').toString();
  return key.slice(key.lastIndexOf('.') + 1);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
