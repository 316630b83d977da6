/** RESP 2 and 3, as Redis and its clients speak it (redis.io, "RESP protocol"). */
import { lineEnd, type Matcher, type Protocol } from './protocol.js';

/**
 * A script by its keys, since a client may send its digest instead of it. Those of an acquire are lock and
 * fence, and for those who wait or share both parts of the queue and the holders; of an extension lock and
 * holders; of a release all but the fence.
 */
const script =
  (isMeant: (count: number, lock: string, second: string) => boolean): Matcher =>
  ([name = '', , count = '', lock = '', second = '']) =>
    /^eval(sha)?$/i.test(name) && isMeant(Number(count), lock, second);

const isFence = (key: string, lock: string) => key === `\0${lock}`;

export const subscribe: Matcher = ([name = '']) => /^s?subscribe$/i.test(name);

export const resp: Protocol = {
  acquire: script((count, lock, second) => count === 5 || (count === 2 && isFence(second, lock))),
  extend: script((count, lock, second) => count === 2 && !isFence(second, lock)),
  release: script((count) => count === 4),

  commandEnd(bytes, start) {
    if (start < bytes.length && bytes[start] !== codeOf('*')) {
      throw new Error(`Not a command of RESP: ${bytes.toString('latin1', start, start + 40)}`);
    }
    return frameEnd(bytes, start);
  },

  readCommand(bytes) {
    const end = resp.commandEnd(bytes, 0);
    if (end === undefined) return undefined;
    const words: string[] = [];
    let start = lineEnd(bytes, 0) ?? end;
    while (start < end) {
      const next = frameEnd(bytes, start) ?? end;
      words.push(bytes.toString('utf8', lineEnd(bytes, start), next - 2));
      start = next;
    }
    const channels = /subscribe$/i.test(words[0] ?? '') ? words.length - 1 : 1;
    return { words, end, replies: Math.max(1, channels) };
  },

  readReply(bytes) {
    const end = frameEnd(bytes, 0);
    if (end === undefined) return undefined;
    const unasked = /^[*>]\d+\r\n\$\d+\r\n[ps]?message\r\n/.test(bytes.toString('latin1', 0, 40));
    return { end, unasked };
  },
};

const codeOf = (character: string) => character.charCodeAt(0);

/** Values of as many bytes as their line says. */
const sized = new Set([...'$=!'].map(codeOf));

/** Values of as many parts as their line says, or twice as many. */
const composed = new Map([...'*~>'].map((type) => [codeOf(type), 1]));
composed.set(codeOf('%'), 2);

/** Where the value at `start` ends; undefined: it has not come whole yet. */
function frameEnd(bytes: Buffer, start: number): number | undefined {
  let end = lineEnd(bytes, start);
  if (end === undefined) return undefined;
  const type = bytes[start] ?? 0;
  if (sized.has(type)) {
    const size = numberAt(bytes, start + 1);
    if (size >= 0) end += size + 2;
    return end <= bytes.length ? end : undefined;
  }
  const parts = composed.get(type);
  if (parts === undefined) return end;
  let left = parts * numberAt(bytes, start + 1);
  for (; left > 0 && end !== undefined; left--) end = frameEnd(bytes, end);
  return end;
}

/** The whole number at `start`; below 0 with a minus sign, which means that there is no value. */
function numberAt(bytes: Buffer, start: number): number {
  if (bytes[start] === codeOf('-')) return -1;
  let number = 0;
  for (let at = start; bytes[at] !== codeOf('\r'); at++) {
    number = 10 * number + Number(bytes[at]) - codeOf('0');
  }
  return number;
}
