/** One connection for notifications, from its opening to its end. */
import { Alarm } from '../../base/alarm.js';
import { within } from '../../base/time-limit.js';

/** A connection for notifications alone, not connected yet. */
export interface ListenerConnection {
  /** Resolves once the server has confirmed it. */
  listen(channels: readonly string[]): Promise<unknown>;
  close(): unknown;
}

/** What a connection tells. */
export interface ListenerEvents {
  heard(payload: string): void;
  /** It has ended. */
  lost(): void;
  /** It was lost for a moment, and listens again by itself. */
  resumed(): void;
}

export type OpenListener = (events: ListenerEvents) => ListenerConnection;

/** How notifications come to a store. */
export interface Way {
  readonly open: OpenListener;
  /** The first is the store's own. */
  readonly channels: readonly [mailbox: string, ...others: string[]];
  /** Sends a notification over the connections that carry the requests of the store. */
  notify(channel: string, payload: string): Promise<unknown>;
  /** For each step of a proof, in milliseconds. */
  readonly timeout: number;
}

/** Unlike any news. */
const probe = 'probe';

/** How often a connection is proved anew, which may be dead without a word; in milliseconds. */
const interval = 20_000;

/**
 * A connection that the server has told to listen may be deaf all the same: a pooler takes another one for each
 * statement. So it is proved, by a notification that goes the way of the requests.
 */
export class Session {
  /** Resolves once it is proved; rejects if it cannot be, and has then ended. */
  readonly proved: Promise<void>;
  readonly #way: Way;
  readonly #events: ListenerEvents;
  #connection: ListenerConnection | undefined;
  readonly #nextProof = new Alarm(() => void this.#prove().catch(() => this.#lost()));
  #state: 'opening' | 'proved' | 'ended' = 'opening';
  #probed = () => {};

  constructor(way: Way, events: ListenerEvents) {
    this.#way = way;
    this.#events = events;
    this.proved = this.#begin();
  }

  get isProved(): boolean {
    return this.#state === 'proved';
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#nextProof.cancel();
    if (this.#connection) void close(this.#connection);
  }

  async #begin(): Promise<void> {
    const { open, timeout, channels } = this.#way;
    const { heard, resumed } = this.#events;
    try {
      this.#connection = open({
        heard: (payload) => (payload === probe ? this.#probed() : heard(payload)),
        lost: () => this.#lost(),
        resumed,
      });
      await within(timeout, 'not listening', this.#connection.listen(channels), 'idle');
      await this.#prove();
    } catch (error) {
      this.end();
      throw error;
    }
  }

  async #prove(): Promise<void> {
    const { notify, timeout, channels } = this.#way;
    const heard = new Promise<void>((resolve) => {
      this.#probed = resolve;
    });
    const both = Promise.all([notify(channels[0], probe), heard]);
    await within(timeout, 'no notification arrives', both, 'idle');
    if (this.#state === 'ended') throw new Error('closed meanwhile');
    this.#state = 'proved';
    this.#nextProof.setIn(interval);
  }

  /** Before it is proved, its proof fails. */
  #lost(): void {
    if (!this.isProved) return;
    this.end();
    this.#events.lost();
  }
}

/** A connection that has ended by itself is no trouble. */
async function close(connection: ListenerConnection): Promise<void> {
  try {
    await connection.close();
  } catch {
    // It has ended all the same.
  }
}
