/** RESP 2 and 3, as Redis and its clients speak it (redis.io, "RESP protocol"). */
import { lineAt, type Matcher, type Protocol } from './protocol.js';

/**
 * A script by the number of its keys, since a client may send its digest instead of it: lock and fence,
 * and for those who wait both parts of the queue, are the keys of an acquire; lock and queue those of a
 * release.
 */
const script =
  (...counts: number[]): Matcher =>
  ([name = '', , keys = '']) =>
    /^eval(sha)?$/i.test(name) && counts.includes(Number(keys));

export const subscribe: Matcher = ([name = '']) => /^s?subscribe$/i.test(name);

export const resp: Protocol = {
  acquire: script(2, 4),
  extend: script(1),
  release: script(3),

  readCommand(bytes) {
    const head = lineAt(bytes, 0);
    if (!head) return undefined;
    if (!head.text.startsWith('*')) throw new Error(`Not a command of RESP: ${head.text}`);
    const words: string[] = [];
    let { end } = head;
    for (let left = Number(head.text.slice(1)); left > 0; left--) {
      const size = lineAt(bytes, end);
      const next = frameEnd(bytes, end);
      if (!size || next === undefined) return undefined;
      words.push(bytes.toString('utf8', size.end, next - 2));
      end = next;
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

/** Where the value at `start` ends; undefined: it has not come whole yet. */
function frameEnd(bytes: Buffer, start: number): number | undefined {
  const line = lineAt(bytes, start);
  if (!line) return undefined;
  const type = line.text.charAt(0);
  const size = Number(line.text.slice(1));
  if ('$=!'.includes(type)) {
    const end = size < 0 ? line.end : line.end + size + 2;
    return end <= bytes.length ? end : undefined;
  }
  const parts = { '*': size, '~': size, '>': size, '%': 2 * size }[type] ?? 0;
  let end: number | undefined = line.end;
  for (let left = parts; left > 0 && end !== undefined; left--) end = frameEnd(bytes, end);
  return end;
}
