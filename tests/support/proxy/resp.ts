/** RESP 2 and 3, as Redis and its clients speak it (redis.io, "RESP protocol"). */
import { lineAt, type Matcher, type Protocol } from './protocol.js';

/**
 * A script by its keys and its last argument, since a client may send its digest instead of it: only
 * an acquire has two keys (lock and fence), and only a release ends with its channel, which has the
 * name of the lock's key.
 */
const script =
  (fits: (keys: number, endsWithKey: boolean) => boolean): Matcher =>
  ([name = '', , keys = '', ...rest]) =>
    /^eval(sha)?$/i.test(name) && fits(Number(keys), rest.at(-1) === rest[0]);

export const subscribe: Matcher = ([name = '']) => /^s?subscribe$/i.test(name);

export const resp: Protocol = {
  acquire: script((keys) => keys === 2),
  extend: script((keys, endsWithKey) => keys === 1 && !endsWithKey),
  release: script((keys, endsWithKey) => keys === 1 && endsWithKey),

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
