/** What etcd tells of changes to keys, as they happen: a stream that is opened again when it is lost. */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { idlePause } from '../../base/clock.js';
import { growingPauses } from '../../base/pauses.js';
import {
  errorOf,
  type Json,
  list,
  type Pair,
  pairOf,
  parse,
  revisionOf,
  unexpected,
} from './answers.js';
import type { Gateway } from './gateway.js';
import { read } from './transport.js';

export interface Change {
  readonly pair: Pair;
  readonly isRemoval: boolean;
}

export interface StreamEvents {
  change(change: Change): void;
  /** It was lost, and is open again: what happened meanwhile went unnoticed. */
  restored(): void;
}

/** The pauses before it is opened again, in milliseconds. */
const [shortestPause, longestPause] = [50, 3_000];

export class WatchStream {
  /** Resolves once it is open; rejects if no endpoint lets it. */
  readonly opened: Promise<void>;
  readonly #gateway: Gateway;
  readonly #watched: readonly Json[];
  readonly #events: StreamEvents;
  #request: ClientRequest | undefined;
  #isUp = false;
  #isClosed = false;

  /** @param watched what to watch: a `create_request` each. */
  constructor(gateway: Gateway, watched: readonly Json[], events: StreamEvents) {
    this.#gateway = gateway;
    this.#watched = watched;
    this.#events = events;
    this.opened = new Promise((resolve, reject) => void this.#keepOpen(resolve, reject));
    this.opened.catch(() => {});
  }

  /** False while it is not open, or known to be lost. */
  get isUp(): boolean {
    return this.#isUp;
  }

  close(): void {
    this.#isClosed = true;
    this.#isUp = false;
    this.#request?.destroy();
  }

  async #keepOpen(opened: () => void, failed: (error: unknown) => void): Promise<void> {
    let wasUp = false;
    let pauses = growingPauses(shortestPause, longestPause);
    const isOpen = () => {
      this.#isUp = true;
      if (wasUp) this.#events.restored();
      wasUp = true;
      pauses = growingPauses(shortestPause, longestPause);
      opened();
    };
    for (let tries = 1; !this.#isClosed; tries++) {
      try {
        await this.#follow(isOpen);
      } catch (error) {
        if (!wasUp && tries >= this.#gateway.size) return failed(error);
      }
      this.#isUp = false;
      if (!this.#isClosed) await idlePause(pauses.next().value);
    }
  }

  /** Until the stream ends. */
  async #follow(isOpen: () => void): Promise<void> {
    const body = this.#watched.map((create_request) => JSON.stringify({ create_request })).join('');
    this.#request = await this.#gateway.open('watch', body);
    if (this.#isClosed) this.#request.destroy();
    const [response] = (await once(this.#request, 'response')) as [IncomingMessage];
    if (response.statusCode !== 200) throw unexpected(await read(response));
    let created = 0;
    for await (const message of messagesOf(response)) {
      if (this.#isClosed) return;
      const result = Object(message.result) as Json;
      if (message.error !== undefined) throw errorOf(message);
      if (result.canceled === true) throw new Error(`etcd ended it: ${result.cancel_reason}`);
      revisionOf(result);
      if (result.created === true && ++created === this.#watched.length) isOpen();
      for (const event of list(result.events, message)) {
        const pair = pairOf(Object(event.kv) as Json);
        this.#events.change({ pair, isRemoval: event.type === 'DELETE' });
      }
    }
  }
}

/** One a line. */
async function* messagesOf(response: IncomingMessage): AsyncGenerator<Json> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = parse(line);
      if (!message) throw unexpected(line);
      yield message;
    }
  }
}
