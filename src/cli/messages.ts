/**
 * What dlock has to say, on stderr: lines that begin with `dlock:`, and one line of progress that is
 * rewritten in place.
 *
 * The file descriptor is shared with the command. So it is written to as it is: a stream of Node's
 * would switch a pipe to non-blocking, for the command too. One write follows the other, off the
 * main thread, since a reader that does not read must not keep a lease from being renewed.
 */
import { write } from 'node:fs';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import type { Volume } from './arguments.js';

const writeTo = promisify(write);
const stderr = 2;
/** Whether somebody watches, at a terminal. */
const watched = isatty(stderr);
const eraseLine = '\r\u001b[K';

/** Whether a line is an error, what a user wants to know and a crontab does not, or a step for `-v`. */
export type Weight = 'error' | 'news' | 'step';

const shown: Record<Volume, readonly Weight[]> = {
  quiet: ['error'],
  normal: ['error', 'news'],
  verbose: ['error', 'news', 'step'],
};

export class Messages {
  readonly #volume: Volume;
  readonly #secrets: readonly string[];
  #progress = false;
  #written: Promise<unknown> = Promise.resolve();

  /** @param secrets what must be seen in no line. */
  constructor(volume: Volume = 'normal', secrets: readonly string[] = []) {
    this.#volume = volume;
    this.#secrets = secrets;
  }

  write(weight: Weight, text: string): void {
    if (!shown[this.#volume].includes(weight)) return;
    const line = `${this.#lineOf(text)}\n`;
    this.#write(this.#progress ? eraseLine + line : line);
    this.#progress = false;
  }

  /** Replaces the line of progress; with no text, takes it away. */
  progress(text?: string): void {
    if (!watched || this.#volume === 'quiet' || (!text && !this.#progress)) return;
    this.#progress = text !== undefined;
    this.#write(eraseLine + (text ? this.#lineOf(text).slice(0, columns() - 1) : ''));
  }

  /** Resolves when all was written, or could not be. */
  async flushed(): Promise<void> {
    await this.#written;
  }

  #lineOf(text: string): string {
    const harmless = this.#secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
    return `dlock: ${escapeControls(harmless)}`;
  }

  /** A closed stderr or a full device is no reason to do anything else than what is to be done. */
  #write(text: string): void {
    this.#written = this.#written.then(() => writeTo(stderr, text)).catch(() => {});
  }
}

/** The width of the terminal; asked for each time, since it may change, and only at a terminal. */
function columns(): number {
  return process.stderr.columns || 80;
}

/** So that no name can move the cursor, or forge a line. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
