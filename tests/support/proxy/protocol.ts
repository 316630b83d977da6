/** What the proxy must know of the protocol between a client and its server. */

/** The words of a command as the client sent them, without their framing; data come last. */
export type Words = readonly string[];

export type Matcher = (words: Words) => boolean;

export interface Command {
  readonly words: Words;
  /** Where the next command begins. */
  readonly end: number;
  /** How many replies will answer it. */
  readonly replies: number;
}

export interface Reply {
  /** Where the next reply begins. */
  readonly end: number;
  /** Sent by the server on its own account, as messages to subscribers are. */
  readonly unasked: boolean;
}

export interface Protocol {
  /** Where the command ends that begins at `start`; undefined: it has not come whole yet. */
  commandEnd(bytes: Buffer, start: number): number | undefined;
  /** The command at the beginning of the bytes; undefined: it has not come whole yet. */
  readCommand(bytes: Buffer): Command | undefined;
  /** The reply, to `words` if it was asked for, at the beginning of the bytes; undefined: not whole yet. */
  readReply(bytes: Buffer, words: Words | undefined): Reply | undefined;
  /** The command that may take a lock. */
  readonly acquire: Matcher;
  /** The command that may set the life of a lock anew. */
  readonly extend: Matcher;
  /** The command that may free a lock. */
  readonly release: Matcher;
}

/** Any command. */
export const any: Matcher = () => true;

/** What a server sends on its own account, when replies are meant. */
export const message: Matcher = ([name]) => name === 'message';

/** The nth of the commands that match, counted from 1. */
export function nth(n: number, matches: Matcher): Matcher {
  let count = 0;
  return (words) => matches(words) && ++count === n;
}

/** Where the line at `start` ends and the next begins; undefined: it has not come whole yet. */
export function lineEnd(bytes: Buffer, start: number): number | undefined {
  const end = bytes.indexOf(lineBreak, start);
  return end < 0 ? undefined : end + lineBreak.length;
}

const lineBreak = Buffer.from('\r\n');
