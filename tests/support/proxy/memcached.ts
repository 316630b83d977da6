/** Memcached's text protocol (protocol.txt of its sources), without the meta commands. */
import { lineEnd, type Matcher, type Protocol } from './protocol.js';

/** `cas <key> <flags> <exptime> ...`: one that expires the item at once frees the lock. */
const swap =
  (frees: boolean): Matcher =>
  ([name, , , lifetime]) =>
    name === 'cas' && Number(lifetime) < 0 === frees;

const storage = ['set', 'add', 'replace', 'append', 'prepend', 'cas'];
const untilEnd = ['get', 'gets', 'gat', 'gats', 'stats'];

export const memcached: Protocol = {
  acquire: ([name]) => name === 'add',
  extend: swap(false),
  release: swap(true),

  commandEnd(bytes, start) {
    const line = lineAt(bytes, start);
    if (!line) return undefined;
    const [name = '', , , , size] = line.words;
    const end = storage.includes(name) ? line.end + Number(size) + 2 : line.end;
    return end <= bytes.length ? end : undefined;
  },

  readCommand(bytes) {
    const end = memcached.commandEnd(bytes, 0);
    const line = lineAt(bytes, 0);
    if (!line || end === undefined) return undefined;
    const { words } = line;
    const replies = words.at(-1) === 'noreply' || words[0] === 'quit' ? 0 : 1;
    if (end === line.end) return { words, end, replies };
    return { words: [...words, bytes.toString('utf8', line.end, end - 2)], end, replies };
  },

  readReply(bytes, words) {
    for (let line = lineAt(bytes, 0); line; line = lineAt(bytes, line.end)) {
      const [first = '', , , size] = line.words;
      const more = untilEnd.includes(words?.[0] ?? '') && ['VALUE', 'STAT'].includes(first);
      if (!more) return { end: line.end, unasked: words === undefined };
      if (first === 'VALUE') line.end += Number(size) + 2;
      if (line.end > bytes.length) return undefined;
    }
    return undefined;
  },
};

/** The line at `start`, and where the next begins; undefined: it has not come whole yet. */
function lineAt(bytes: Buffer, start: number): { words: string[]; end: number } | undefined {
  const end = lineEnd(bytes, start);
  if (end === undefined) return undefined;
  return { words: bytes.toString('latin1', start, end - 2).split(' '), end };
}
