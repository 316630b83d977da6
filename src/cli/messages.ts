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
const eraseLine = '\r\u001b[K';

export class Messages {
  /** Whether somebody watches, at a terminal. */
  readonly terminal = isatty(stderr);
  volume: Volume = 'normal';
  /** Takes out what must not be seen. */
  scrub: (text: string) => string = (text) => text;
  #progress = false;
  #written: Promise<unknown> = Promise.resolve();

  error(text: string): void {
    const line = `dlock: ${escapeControls(this.scrub(text))}\n`;
    this.#write(this.#progress ? eraseLine + line : line);
    this.#progress = false;
  }

  /** What a user wants to know, and a crontab does not. */
  say(text: string): void {
    if (this.volume !== 'quiet') this.error(text);
  }

  detail(text: string): void {
    if (this.volume === 'verbose') this.error(text);
  }

  /** Replaces the line of progress; with no text, takes it away. */
  progress(text?: string): void {
    if (!this.terminal || this.volume === 'quiet' || (!text && !this.#progress)) return;
    this.#progress = text !== undefined;
    const line = text && `dlock: ${escapeControls(text)}`.slice(0, columns() - 1);
    this.#write(eraseLine + (line ?? ''));
  }

  /** Resolves when all was written, or could not be. */
  async flushed(): Promise<void> {
    await this.#written;
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

/** A time as people write it: two digits of the largest unit that fits. */
export function durationOf(milliseconds: number): string {
  const seconds = milliseconds / 1_000;
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}
