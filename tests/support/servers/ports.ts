/** Finding a port for a server, and learning that the server answers there. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** For how long a server may take to come up, in milliseconds: MySQL's image first makes its data. */
const patience = 90_000;

/** What a server says that found its port taken; Docker says it so as well. */
const taken = /already (in use|allocated)/i;

/**
 * Starts something on a free port, and on another one if somebody was quicker.
 *
 * The ports lie below those that systems hand out to outgoing connections. Otherwise a client that
 * calls a killed server could be given that very port to call from, and so reach itself, and the
 * server could not be restarted.
 */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(20_000, 32_000);
    if (!(await isFree(port))) continue;
    try {
      return await start(port);
    } catch (error) {
      if (tries === 10 || !taken.test((error as Error).message)) throw error;
    }
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** True: the server is up. False: it ended first, or does not come up. */
export async function comesUp(
  isUp: () => Promise<boolean>,
  runs: () => Promise<boolean>,
): Promise<boolean> {
  const end = performance.now() + patience;
  while (performance.now() < end) {
    if (await isUp()) return true;
    if (!(await runs())) return false;
    await sleep(20);
  }
  return false;
}

/** The beginning of a server's answer to a line; undefined: none within `timeout` milliseconds. */
export async function ask(
  port: number,
  question: string,
  timeout = 1_000,
): Promise<string | undefined> {
  const socket = connect(port, '127.0.0.1');
  const timer = setTimeout(() => socket.destroy(), timeout);
  try {
    socket.write(`${question}\r\n`);
    for await (const chunk of socket) return String(chunk);
    return undefined;
  } catch {
    return undefined; // refused, cut, or too late: the caller waits for an answer, not for a reason
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
