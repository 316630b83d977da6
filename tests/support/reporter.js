/**
 * The report of a test run: that of Node.js, which ends with what failed, and before that how long each
 * part and its slowest files took. Files run side by side, and so do the parts. In JavaScript, since
 * Node.js loads it without tsx.
 */
import { relative } from 'node:path';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

// biome-ignore lint/style/noDefaultExport: node:test finds a reporter by it.
export default async function* report(events) {
  yield* Readable.from(withTimes(events)).pipe(new spec());
}

async function* withTimes(events) {
  const files = new Map();
  for await (const event of events) {
    const { type, data } = event;
    // The others come in the order of the files, however late.
    if (data.file && (type === 'test:dequeue' || type === 'test:complete')) {
      const now = performance.now();
      files.set(data.file, { begin: files.get(data.file)?.begin ?? now, end: now });
    }
    yield event;
  }
  for (const message of summary(files)) {
    yield { type: 'test:diagnostic', data: { message, nesting: 0 } };
  }
}

function summary(files) {
  const spans = [...files].map(([file, { begin, end }]) => {
    const [part, ...rest] = relative('tests', file).split(/[\\/]/);
    return { part, file: rest.join('/'), begin, end };
  });
  const parts = [...new Set(spans.map(({ part }) => part))];
  return parts.map((part) => {
    const own = spans.filter((span) => span.part === part).sort((a, b) => length(b) - length(a));
    const begin = Math.min(...own.map((span) => span.begin));
    const end = Math.max(...own.map((span) => span.end));
    const slowest = own.slice(0, 3).map((span) => `${span.file} ${seconds(length(span))}`);
    return `${part}: ${seconds(end - begin)}, of its ${own.length} files ${slowest.join(', ')}`;
  });
}

const length = ({ begin, end }) => end - begin;

const seconds = (milliseconds) => `${(milliseconds / 1_000).toFixed(1)} s`;
