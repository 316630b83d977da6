/**
 * What comes to a listening client of GLIDE, for all stores that listen by it. Such a client gives each
 * message to one reader alone, and forgets who else had subscribed to a channel.
 */
import type { SubscriberConnection, SubscriberEvents } from './subscriber.js';

/** The part of a listening client of GLIDE that the store needs to be woken. */
export interface GlideListener {
  /** Resolves once the server has confirmed it. */
  subscribe(channels: string[], timeout: number): Promise<unknown>;
  /** Likewise. */
  unsubscribe(channels: string[], timeout: number): Promise<unknown>;
  /** The next message, of any channel; rejects if the client has a callback for them, or is closed. */
  getPubSubMessage(): Promise<{ readonly channel: Printable; readonly message: Printable }>;
  /** Never called: by it, clients of GLIDE are told from all others. */
  readonly invokeScript: unknown;
}

/** Text, or bytes of it. */
interface Printable {
  toString(): string;
}

/** How long GLIDE waits for the server to confirm, in milliseconds; whoever watches has a limit of their own. */
const confirmation = 5_000;

interface Channel {
  subscribers: number;
  /** The last change of the subscription: GLIDE does not keep the order of two that are under way. */
  changed: Promise<unknown>;
}

class Inbox {
  readonly #listener: GlideListener;
  readonly #readers = new Set<SubscriberEvents>();
  readonly #channels = new Map<string, Channel>();
  #reading: Promise<void> | undefined;
  /** Why nothing can be read any more. */
  #failure: { readonly error: unknown } | undefined;

  constructor(listener: GlideListener) {
    this.#listener = listener;
  }

  get isReadable(): boolean {
    return this.#failure === undefined;
  }

  open(reader: SubscriberEvents): void {
    this.#readers.add(reader);
    this.#reading ??= this.#read();
  }

  close(reader: SubscriberEvents): void {
    this.#readers.delete(reader);
  }

  /** Resolves once the server has confirmed it. */
  async subscribe(name: string): Promise<void> {
    const channel = this.#channels.get(name) ?? { subscribers: 0, changed: Promise.resolve() };
    this.#channels.set(name, channel);
    channel.subscribers += 1;
    if (channel.subscribers === 1) {
      channel.changed = channel.changed.then(() => this.#listener.subscribe([name], confirmation));
    }
    await channel.changed;
    if (this.#failure) throw this.#failure.error;
  }

  async unsubscribe(name: string): Promise<void> {
    const channel = this.#channels.get(name);
    if (!channel) return;
    channel.subscribers -= 1;
    if (channel.subscribers > 0) return;
    const leave = async () => {
      // Somebody else may have come in the meantime, who would be left deaf.
      if (channel.subscribers > 0) return;
      await this.#listener.unsubscribe([name], confirmation);
    };
    const left = channel.changed.then(leave, leave).catch(() => {});
    channel.changed = left;
    await left;
    if (channel.subscribers === 0 && channel.changed === left) this.#channels.delete(name);
  }

  /** One at a time, for as long as the client lasts: an open request for a message cannot be taken back. */
  async #read(): Promise<void> {
    try {
      for (;;) {
        const { channel, message } = await this.#listener.getPubSubMessage();
        for (const reader of this.#readers) reader.message(`${channel}`, `${message}`);
      }
    } catch (error) {
      this.#failure = { error };
    }
  }
}

const inboxes = new WeakMap<GlideListener, Inbox>();

function inboxOf(listener: GlideListener): Inbox {
  const inbox = inboxes.get(listener) ?? new Inbox(listener);
  inboxes.set(listener, inbox);
  return inbox;
}

/** A share in the inbox of the client, which connects again by itself, and does not tell. */
export function openInbox(listener: GlideListener, events: SubscriberEvents): SubscriberConnection {
  const inbox = inboxOf(listener);
  const channels = new Set<string>();
  const unsubscribe = async (channel: string) => {
    if (channels.delete(channel)) await inbox.unsubscribe(channel);
  };
  return {
    async connect() {
      inbox.open(events);
    },
    async subscribe(channel) {
      if (channels.has(channel)) return;
      channels.add(channel);
      await inbox.subscribe(channel);
    },
    unsubscribe,
    isReady: () => inbox.isReadable,
    async close() {
      inbox.close(events);
      await Promise.all([...channels].map(unsubscribe));
    },
  };
}
