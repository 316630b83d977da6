/** Wake-ups from Redis: one connection for all locks of a store, open only while somebody waits. */

/** A connection of its own, not connected yet, as node-redis duplicates its clients. */
export interface RedisSubscriberClient {
  connect(): Promise<unknown>;
  on(event: 'error' | 'ready', listener: () => void): unknown;
  subscribe(channel: string, listener: () => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  /** Ends the connection: `destroy` since node-redis 5, `disconnect` before. */
  destroy?(): unknown;
  disconnect?(): Promise<unknown>;
}

/** Those who wait for a message on one channel. */
interface Audience {
  readonly wakes: Set<() => void>;
  readonly subscribed: Promise<unknown>;
}

export class RedisSubscriber {
  readonly #open: () => RedisSubscriberClient | undefined;
  readonly #audiences = new Map<string, Audience>();
  #client: RedisSubscriberClient | undefined;
  #connected: Promise<unknown> | undefined;

  /** @param open undefined where the client cannot subscribe: then nobody is woken. */
  constructor(open: () => RedisSubscriberClient | undefined) {
    this.#open = open;
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
      await audience.subscribed;
      return { [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  #subscribe(channel: string): Audience {
    const wakes = new Set<() => void>();
    const subscribe = async () => {
      const client = await this.#connect();
      await client.subscribe(channel, () => wakeAll(wakes));
    };
    const audience = { wakes, subscribed: subscribe() };
    this.#audiences.set(channel, audience);
    return audience;
  }

  async #connect(): Promise<RedisSubscriberClient> {
    this.#client ??= this.#open();
    const client = this.#client;
    if (!client?.subscribe) throw new TypeError('This client cannot subscribe');
    this.#connected ??= this.#prepare(client);
    await this.#connected;
    return client;
  }

  async #prepare(client: RedisSubscriberClient): Promise<void> {
    // Without a listener an error would end the process; the client connects again by itself.
    client.on('error', () => {});
    await client.connect();
    // Ready once more, with its subscriptions: what was published meanwhile reached nobody.
    client.on('ready', () => {
      for (const { wakes } of this.#audiences.values()) wakeAll(wakes);
    });
  }

  /** The last to leave a channel unsubscribes, the last of all closes the connection. */
  #unsubscribe(channel: string): void {
    this.#audiences.delete(channel);
    const client = this.#client;
    if (this.#audiences.size > 0) {
      client?.unsubscribe(channel).catch(() => {});
      return;
    }
    this.#client = undefined;
    this.#connected = undefined;
    if (client?.destroy) client.destroy();
    else client?.disconnect?.();
  }
}

function wakeAll(wakes: Set<() => void>): void {
  for (const wake of wakes) wake();
}
