/** A directory of this machine. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FileStore } from '../stores/file/file.js';
import { UsageError } from './arguments.js';
import { identityOfFile } from './hosts.js';
import type { Kind, Place } from './place.js';
import { decoded } from './url-parts.js';

export const directory: Kind = { schemes: ['file:'], read: (url) => placeInDirectory(read(url)) };

export function placeInDirectory(path: string): Place {
  return {
    name: pathToFileURL(path).href,
    identities: () => [identityOfFile(path)],
    check({ prefix }) {
      if (prefix === undefined) return;
      throw new UsageError(
        '--prefix is for servers; to keep locks in a directory apart, name another one',
      );
    },
    connects: false,
    shares: true,
    load: async () => async () => new FileStore(path),
  };
}

function read(url: string): string {
  if (!URL.canParse(url)) throw new UsageError('the URL of the store is invalid');
  const parsed = new URL(url);
  const whole = /^file:\/(?!\/[^/]|\/?$)/i.test(url) || /^file:\/\/(localhost)?\/./i.test(url);
  if (!whole || parsed.search || parsed.hash) {
    throw new UsageError(
      'the URL of a directory names its whole path, percent-encoded, as in file:///var/lib/dlock',
    );
  }
  decoded(parsed.pathname);
  try {
    return fileURLToPath(parsed);
  } catch (error) {
    throw new UsageError(`the URL of the store is invalid: ${(error as Error).message}`);
  }
}
