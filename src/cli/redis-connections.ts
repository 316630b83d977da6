/** What one attempt to connect to Redis has opened, so that it can be explained and given up as a whole. */
import { reasonOf } from '../base/errors.js';
import { UnusableStore } from './client.js';
import type { Client } from './redis-clients.js';

/** The clients that one attempt to connect uses, and what they last reported. */
export class Connections {
  readonly #clients = new Set<Client>();
  #lastError: unknown;

  /** Some clients try again without end, and only report why; a request that fails says it, too. */
  async open(client: Client): Promise<void> {
    this.#clients.add(client);
    client.on('error', (error) => {
      this.#lastError = error;
    });
    await client.connect();
  }

  abandon(): void {
    for (const client of this.#clients) close(client);
  }

  explain(error: unknown): UnusableStore {
    const cause = this.#lastError ?? error;
    const reasons = new Set([reasonOf(error), reasonOf(cause)]);
    return new UnusableStore([...reasons].join(': '), { cause });
  }
}

/** Ends the connection: by `destroy` since node-redis 5, by `disconnect` before. It may not even be open. */
export function close(client: Client): void {
  const { destroy = client.disconnect } = client;
  try {
    Promise.resolve(destroy?.call(client)).catch(() => {});
  } catch {
    // It was closed before.
  }
}
