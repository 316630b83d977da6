/**
 * Wake-ups from Redis: one connection for all locks of a store, open while somebody watches. What is
 * for this store alone comes by its mailbox, a channel of its own; what is for all who wait for a lock,
 * by the channel of that lock.
 */
import { within } from '../../base/time-limit.js';
import type { News } from '../../store.js';

/** A connection for subscriptions alone, not connected yet, over a duplicate of the store's client. */
export interface SubscriberConnection {
  /** Resolves once commands can be sent. It connects again by itself, and then tells so. */
  connect(): Promise<unknown>;
  /** Resolves once the server has confirmed it. Harmless for a channel that is subscribed to. */
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** False while it is known to be lost. */
  isReady(): boolean | undefined;
  close(): unknown;
}

/** What a connection tells. */
export interface SubscriberEvents {
  /** `text` was published on `channel`. */
  message(channel: string, text: string): void;
  /** It was lost, and is connected again. */
  reconnected(): void;
}

/** @throws TypeError for a client that cannot subscribe: then nobody is woken. */
export type OpenSubscriber = (events: SubscriberEvents) => SubscriberConnection;

type Wake = (news?: News) => void;

/** Those who wait for a message on one channel. */
interface Audience {
  readonly wakes: Set<Wake>;
  readonly subscribed: Promise<unknown>;
  isSubscribed: boolean;
}

export class RedisSubscriber {
  readonly mailbox: string;
  readonly #open: OpenSubscriber;
  readonly #audiences = new Map<string, Audience>();
  /** Channels that are being left, on which a new subscription has to wait. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  readonly #timeout: number;
  #connection: SubscriberConnection | undefined;
  #connected: Promise<unknown> | undefined;

  constructor(open: OpenSubscriber, mailbox: string, timeout: number) {
    this.#open = open;
    this.mailbox = mailbox;
    this.#timeout = timeout;
  }

  /** Resolves once the server has confirmed the subscription. */
  async watch(channel: string, wake: Wake): Promise<AsyncDisposable> {
    const audience = this.#audiences.get(channel) ?? this.#subscribe(channel);
    // A function of its own, so that the same one may watch twice.
    const own = (news?: News) => wake(news);
    audience.wakes.add(own);
    const stop = async () => {
      if (audience.wakes.delete(own) && audience.wakes.size === 0) this.#unsubscribe(channel);
    };
    try {
      // A client that cannot connect would go on trying.
      await within(this.#timeout, 'not subscribed', audience.subscribed, 'idle');
      return { [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Whether those who watch `channel` can be reached: not while the connection is lost. */
  hears(channel: string): boolean {
    return this.#connection?.isReady() !== false && !!this.#audiences.get(channel)?.isSubscribed;
  }

  #subscribe(channel: string): Audience {
    const subscribe = async () => {
      const connection = await this.#connect();
      await this.#leaving.get(channel);
      await connection.subscribe(channel);
      audience.isSubscribed = true;
    };
    const audience = { wakes: new Set<Wake>(), subscribed: subscribe(), isSubscribed: false };
    this.#audiences.set(channel, audience);
    return audience;
  }

  async #connect(): Promise<SubscriberConnection> {
    this.#connection ??= this.#open({
      message: (channel, text) => this.#receive(channel, text),
      reconnected: () => this.#resume(),
    });
    const connection = this.#connection;
    this.#connected ??= connection.connect().then(() => connection.subscribe(this.mailbox));
    await this.#connected;
    return connection;
  }

  #receive(channel: string, text: string): void {
    if (channel === this.mailbox) this.#deliver(text);
    else this.#wake(channel);
  }

  /** After how many milliseconds to ask, and for which lock. */
  #deliver(text: string): void {
    const [, ms = '', lock = ''] = /^(\d+) (.*)$/s.exec(text) ?? [];
    this.#wake(lock, Number(ms) > 0 ? { after: Number(ms) } : {});
  }

  #wake(channel: string, news?: News): void {
    for (const wake of this.#audiences.get(channel)?.wakes ?? []) wake(news);
  }

  /** What was published meanwhile reached nobody; what comes after the new subscription will. */
  #resume(): void {
    const mailbox = this.#connection?.subscribe(this.mailbox);
    const resume = async (channel: string) => {
      await mailbox;
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
