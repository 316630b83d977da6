/** Wake-ups from Redis: one connection for all locks of a store, open only while somebody waits. */
import { Watchers } from './watchers.js';

/** A connection that has entered the subscribed state, whatever the client. */
export interface SubscriberConnection {
  connect(): Promise<unknown>;
  subscribe(channel: string, listener: () => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** Calls back whenever the connection was lost and is there again, with its subscriptions. */
  onReconnect(listener: () => void): void;
  close(): unknown;
}

export class RedisSubscriber {
  readonly #open: () => SubscriberConnection;
  readonly #watchers = new Watchers();
  /** The channels that are subscribed to, or about to be. */
  readonly #channels = new Map<string, Promise<unknown>>();
  #connection: SubscriberConnection | undefined;
  #connected: Promise<unknown> | undefined;

  /** @param open makes a connection that is not connected yet. */
  constructor(open: () => SubscriberConnection) {
    this.#open = open;
  }

  /** Resolves once the server has confirmed the subscription. */
  async watch(channel: string, wake: () => void): Promise<AsyncDisposable> {
    const remove = this.#watchers.add(channel, wake);
    const stop = () => {
      remove();
      this.#tidy(channel);
    };
    try {
      const subscribed = this.#channels.get(channel) ?? this.#subscribe(channel);
      this.#channels.set(channel, subscribed);
      await subscribed;
      return { [Symbol.asyncDispose]: async () => stop() };
    } catch (error) {
      stop();
      throw error;
    }
  }

  async #subscribe(channel: string): Promise<void> {
    this.#connection ??= this.#open();
    const connection = this.#connection;
    this.#connected ??= connection.connect().then(() => {
      // What was published while the connection was lost reached nobody.
      connection.onReconnect(() => this.#watchers.wakeAll());
    });
    await this.#connected;
    await connection.subscribe(channel, () => this.#watchers.wake(channel));
  }

  /** The last to leave a channel unsubscribes, the last of all closes the connection. */
  #tidy(channel: string): void {
    if (this.#watchers.has(channel) || !this.#channels.delete(channel)) return;
    if (!this.#watchers.idle) {
      this.#connection?.unsubscribe(channel).catch(() => {});
      return;
    }
    this.#connection?.close();
    this.#connection = undefined;
    this.#connected = undefined;
    this.#channels.clear();
  }
}
