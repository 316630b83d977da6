/** What the clients of all servers have in common: how they are loaded, and how they fail. */
import { Console } from 'node:console';
import { Writable } from 'node:stream';

/** The store cannot be used; nothing was asked of it. */
export class UnusableStore extends Error {}

/** How long a server may take to accept a connection and to greet, in milliseconds. */
export const connectTimeout = 5_000;

/** Stands for a request to a client that is yet to be connected. */
export const refuse = () => Promise.reject(new Error('not connected'));

export async function load<T>(name: string, imported: () => Promise<T>): Promise<T> {
  muteStdout();
  try {
    return await imported();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UnusableStore(
      `it needs the package ${name}: npm install dlock-js ${name}, or npx -p dlock-js -p ${name} dlock ...`,
    );
  }
}

/**
 * Standard output is the command's: what clients print there, about servers that they do not
 * understand, must not get into it. Nor may the stream itself be opened, since Node.js would switch a
 * pipe to non-blocking, for the command too.
 */
function muteStdout(): void {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  globalThis.console = new Console(nowhere);
  Reflect.defineProperty(process, 'stdout', { value: nowhere, configurable: true });
}
