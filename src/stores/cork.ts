/** Requests that leave together. */

/** The part of a stream that this needs; see `writable.cork` of Node.js. */
export interface Corkable {
  readonly writableCorked: number;
  readonly writableLength: number;
  cork(): void;
  uncork(): void;
}

/** In bytes: what is more goes ahead, so that the server need not wait for the last of many. */
const packet = 4_096;

/**
 * What is written from here to the end of this turn leaves in packets, each by one system call: a client
 * that writes each request by itself spends most of its time on that.
 */
export function corkForNow(stream: Corkable): void {
  if (stream.writableCorked === 0) process.nextTick(() => stream.uncork());
  else if (stream.writableLength < packet) return;
  else stream.uncork();
  stream.cork();
}
