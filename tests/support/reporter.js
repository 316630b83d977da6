/**
 * The report of a test run: that of Node.js, which ends with what failed, and before that how long all of it
 * took; and the files of each part, which run side by side, in sum, and its slowest. In JavaScript, since Node.js
 * loads it as it is.
 */
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

// biome-ignore lint/style/noDefaultExport: node:test finds a reporter by it.
export default async function* report(events) {
  yield* Readable.from(withTimes(events)).pipe(new spec());
}

async function* withTimes(events) {
  const files = new Map();
  for await (const event of events) {
    if (isOfFile(event)) {
      const { file } = event.data;
      const now = performance.now();
      files.set(file, { begin: files.get(file)?.begin ?? now, end: now });
    }
    yield event;
  }
  for (const message of summary(files)) {
    yield { type: 'test:diagnostic', data: { message, nesting: 0 } };
  }
}

/** The beginning or end of a file; what is inside of it comes in the order of the files, however late. */
function isOfFile({ type, data }) {
  if (type !== 'test:dequeue' && type !== 'test:complete') return false;
  return data.nesting === 0 && resolve(data.name) === data.file;
}

function summary(files) {
  const spans = [...files].map(([file, { begin, end }]) => {
    const [, part, name] = /.*[\\/]tests[\\/](.+?)[\\/](.+)\.\w+$/.exec(file);
    return { part, file: `${name}.ts`, begin, end };
  });
  const parts = [...new Set(spans.map(({ part }) => part))].sort();
  const begin = Math.min(...spans.map((span) => span.begin));
  const end = Math.max(...spans.map((span) => span.end));
  const lines = parts.map((part) => {
    const own = spans.filter((span) => span.part === part).sort((a, b) => length(b) - length(a));
    const sum = own.reduce((sum, span) => sum + length(span), 0);
    const slowest = own.slice(0, 3).map((span) => `${span.file} ${seconds(length(span))}`);
    return `${part}: ${own.length} files of ${seconds(sum)} in sum, the longest: ${slowest.join(', ')}`;
  });
  return [...lines, `all of them, side by side: ${seconds(end - begin)}`];
}

const length = ({ begin, end }) => end - begin;

const seconds = (milliseconds) => `${(milliseconds / 1_000).toFixed(1)} s`;
