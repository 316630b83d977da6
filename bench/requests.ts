/**
 * Counts the requests in what a client sends. It follows the framing of both protocols through
 * pieces of any size and looks at nothing else, to keep up with contestants that poll.
 */

export type Protocol = 'redis' | 'memcached';

const lineEnd = Buffer.from('\r\n');

export class RequestCounter {
  #count = 0;
  readonly #protocol: Protocol;
  /** A line whose end has not come yet. */
  #begun = Buffer.alloc(0);
  /** Bytes of payload, with their line end, that are still to be skipped. */
  #skip = 0;
  /** RESP: bulk strings that the current request still lacks. */
  #missing = 0;

  constructor(protocol: Protocol) {
    this.#protocol = protocol;
  }

  /** Takes the next piece, and answers how many requests it completed. */
  take(piece: Buffer): number {
    this.#count = 0;
    let rest = this.#begun.length > 0 ? Buffer.concat([this.#begun, piece]) : piece;
    for (;;) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      const end = this.#skip > 0 ? -1 : rest.indexOf(lineEnd);
      if (end < 0) break;
      this.#line(rest.toString('latin1', 0, end));
      rest = rest.subarray(end + lineEnd.length);
    }
    // A copy: what it is a part of would else be kept, and the client's buffer may be used again.
    this.#begun = Buffer.from(rest);
    return this.#count;
  }

  #line(line: string): void {
    if (this.#protocol === 'redis') this.#respLine(line);
    else this.#textLine(line);
  }

  /** A request is an array of bulk strings (redis.io, "RESP protocol"). */
  #respLine(line: string): void {
    if (this.#missing === 0) {
      if (!line.startsWith('*')) throw new Error(`Not a request of RESP: ${line}`);
      this.#missing = Number(line.slice(1));
      return;
    }
    this.#skip = Number(line.slice(1)) + lineEnd.length;
    this.#missing -= 1;
    if (this.#missing === 0) this.#count += 1;
  }

  /** A line is a request; storage commands name the size of the data that follow (protocol.txt). */
  #textLine(line: string): void {
    const [command = '', , , , bytes] = line.split(' ');
    this.#count += 1;
    if (['set', 'add', 'replace', 'append', 'prepend', 'cas'].includes(command)) {
      this.#skip = Number(bytes) + lineEnd.length;
    }
  }
}
