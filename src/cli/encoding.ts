/**
 * Arguments and variables that are not UTF-8. Node.js decodes them with U+FFFD in place of whatever
 * is not, or drops them, and hands on the result: two names would become one lock, and the command
 * would get another file than the one that its user named.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { UsageError } from './arguments.js';

/** As this process was given it; only decoded, where the system does not show the bytes. */
type Given = Buffer | string;

/** @throws UsageError for an argument or a variable that the command would get changed. */
export function refuseChangedText(): void {
  const args = process.argv.slice(2);
  const words: Given[] = bytesOf('cmdline')?.slice(-args.length) ?? args;
  const index = words.findIndex(isChanged);
  if (index >= 0) throw refusal(`argument ${index + 1}`, words[index]);

  const decoded = Object.entries(process.env).map((entry) => entry.join('='));
  const variables: Given[] = bytesOf('environ') ?? decoded;
  const variable = variables.find(isChanged);
  if (variable === undefined) return;
  const [name] = String(variable).split('=');
  throw refusal(`the variable ${name}`, variable);
}

/** A U+FFFD may be meant, or stand for what could not be decoded: only the bytes tell. */
function isChanged(given: Given): boolean {
  return typeof given === 'string' ? given.includes('\ufffd') : !isUtf8(given);
}

function bytesOf(file: 'cmdline' | 'environ'): Buffer[] | undefined {
  try {
    const text = readFileSync(`/proc/self/${file}`, 'latin1');
    return text
      .split('\0')
      .slice(0, -1)
      .map((each) => Buffer.from(each, 'latin1'));
  } catch {
    return undefined;
  }
}

/** Names no value, which may be a password. */
function refusal(what: string, given: Given | undefined): UsageError {
  const why =
    typeof given === 'string'
      ? 'holds U+FFFD, which Node.js also puts in place of what is not UTF-8'
      : 'is not UTF-8';
  return new UsageError(`${what} ${why}; the command could not get it unchanged`);
}
