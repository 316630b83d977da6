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
  /** Channels that are being left, on which a new subscription has to wait. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  readonly #timeout: number;
  #client: RedisSubscriberClient | undefined;
  #connected: Promise<unknown> | undefined;

  /** @param open undefined where the client cannot subscribe: then nobody is woken. */
  constructor(open: () => RedisSubscriberClient | undefined, timeout: number) {
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
      await within(this.#timeout, audience.subscribed);
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
      await this.#leaving.get(channel);
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
      if (client) this.#leave(client, channel);
      return;
    }
    this.#client = undefined;
    this.#connected = undefined;
    this.#leaving.clear();
    void close(client);
  }

  #leave(client: RedisSubscriberClient, channel: string): void {
    const left = () => {
      if (this.#leaving.get(channel) === leaving) this.#leaving.delete(channel);
    };
    const leaving = client.unsubscribe(channel).then(left, left);
    this.#leaving.set(channel, leaving);
  }
}

/** A connection that ends while it is being made, or has ended by itself, is no trouble. */
async function close(client: RedisSubscriberClient | undefined): Promise<void> {
  try {
    await (client?.destroy ? client.destroy() : client?.disconnect?.());
  } catch {
    // It has ended all the same.
  }
}

/** A client that cannot connect would try for ever. */
async function within<T>(ms: number, result: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not subscribed within ${ms} ms`)), ms).unref();
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}

function wakeAll(wakes: Set<() => void>): void {
  for (const wake of wakes) wake();
}
