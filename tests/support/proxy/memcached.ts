/** Memcached's text protocol (protocol.txt of its sources), without the meta commands. */
import { lineAt, type Matcher, type Protocol } from './protocol.js';

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

  readCommand(bytes) {
    const line = lineAt(bytes, 0);
    if (!line) return undefined;
    const words = line.text.split(' ');
    const [name = '', , , , size] = words;
    const replies = words.at(-1) === 'noreply' || name === 'quit' ? 0 : 1;
    if (!storage.includes(name)) return { words, end: line.end, replies };
    const end = line.end + Number(size) + 2;
    if (end > bytes.length) return undefined;
    const data = bytes.toString('utf8', line.end, end - 2);
    return { words: [...words, data], end, replies };
  },

  readReply(bytes, words) {
    for (let line = lineAt(bytes, 0); line; line = lineAt(bytes, line.end)) {
      const [first = '', , , size] = line.text.split(' ');
      const more = untilEnd.includes(words?.[0] ?? '') && ['VALUE', 'STAT'].includes(first);
      if (!more) return { end: line.end, unasked: words === undefined };
      if (first === 'VALUE') line.end += Number(size) + 2;
      if (line.end > bytes.length) return undefined;
    }
    return undefined;
  },
};
