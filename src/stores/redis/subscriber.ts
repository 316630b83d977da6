/** Wake-ups from Redis: one connection for all locks of a store, open only while somebody waits. */
import { within } from '../../base/time-limit.js';

/** A connection for subscriptions alone, not connected yet, over a duplicate of the store's client. */
export interface SubscriberConnection {
  /** Resolves once commands can be sent. It connects again by itself, and then tells so. */
  connect(): Promise<unknown>;
  /** Resolves once the server has confirmed it. Harmless for a channel that is subscribed to. */
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  close(): unknown;
}

/** What a connection tells. */
export interface SubscriberEvents {
  /** A message was published on `channel`. */
  message(channel: string): void;
  /** It was lost, and is connected again. */
  reconnected(): void;
}

/** @throws TypeError for a client that cannot subscribe: then nobody is woken. */
export type OpenSubscriber = (events: SubscriberEvents) => SubscriberConnection;

/** Those who wait for a message on one channel. */
interface Audience {
  readonly wakes: Set<() => void>;
  readonly subscribed: Promise<unknown>;
}

export class RedisSubscriber {
  readonly #open: OpenSubscriber;
  readonly #audiences = new Map<string, Audience>();
  /** Channels that are being left, on which a new subscription has to wait. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  readonly #timeout: number;
  #connection: SubscriberConnection | undefined;
  #connected: Promise<unknown> | undefined;

  constructor(open: OpenSubscriber, timeout: number) {
    this.#open = open;
    this.#timeout = timeout;
  }

  /** Resolves once the server has confirmed the subscription. */
  async watch(channel: string, wake: () => void): Promise<AsyncDisposable> {
    const audience = this.#audiences.get(channel) ?? this.#subscribe(channel);
    // A function of its own, so that the same one may watch twice.
    const own = () => wake();
    audience.wakes.add(own);
    const stop = async () => {
      if (audience.wakes.delete(own) && audience.wakes.size === 0) this.#unsubscribe(channel);
    };
    try {
      // A client that cannot connect would go on trying.
      await within(this.#timeout, 'not subscribed', audience.subscribed);
      return { [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  #subscribe(channel: string): Audience {
    const subscribe = async () => {
      const connection = await this.#connect();
      await this.#leaving.get(channel);
      await connection.subscribe(channel);
    };
    const audience = { wakes: new Set<() => void>(), subscribed: subscribe() };
    this.#audiences.set(channel, audience);
    return audience;
  }

  async #connect(): Promise<SubscriberConnection> {
    this.#connection ??= this.#open({
      message: (channel) => this.#wake(channel),
      reconnected: () => this.#resume(),
    });
    const connection = this.#connection;
    this.#connected ??= connection.connect();
    await this.#connected;
    return connection;
  }

  #wake(channel: string): void {
    for (const wake of this.#audiences.get(channel)?.wakes ?? []) wake();
  }

  /** What was published meanwhile reached nobody; what comes after the new subscription will. */
  #resume(): void {
    const resume = async (channel: string) => {
      await this.#connection?.subscribe(channel);
      this.#wake(channel);
    };
    for (const channel of this.#audiences.keys()) resume(channel).catch(() => {});
  }

  /** The last to leave a channel unsubscribes, the last of all closes the connection. */
  #unsubscribe(channel: string): void {
    this.#audiences.delete(channel);
    const connection = this.#connection;
    if (this.#audiences.size > 0) {
      if (connection) this.#leave(connection, channel);
      return;
    }
    this.#connection = undefined;
    this.#connected = undefined;
    this.#leaving.clear();
    void close(connection);
  }

  #leave(connection: SubscriberConnection, channel: string): void {
    const left = () => {
      if (this.#leaving.get(channel) === leaving) this.#leaving.delete(channel);
    };
    const leaving = connection.unsubscribe(channel).then(left, left);
    this.#leaving.set(channel, leaving);
  }
}

/** A connection that ends while it is being made, or has ended by itself, is no trouble. */
async function close(connection: SubscriberConnection | undefined): Promise<void> {
  try {
    await connection?.close();
  } catch {
    // It has ended all the same.
  }
}
