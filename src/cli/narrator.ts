/** Tells the user what the core does, from the events that it publishes. */
import { subscribe } from 'node:diagnostics_channel';
import { reasonOf } from '../base/errors.js';
import type { DlockEvents, LeaseEvent } from '../base/events.js';
import { lockNamed } from '../base/names.js';
import type { Settings } from './arguments.js';
import { durationOf, type Messages } from './messages.js';

export class Narrator {
  readonly #settings: Settings;
  readonly #messages: Messages;
  #waiting: NodeJS.Timeout | undefined;
  /** What was said of the store's failures since it last did what it was asked. */
  readonly #failures = new Set<string>();
  /** Why the last request to the store failed; undefined since one succeeded. */
  trouble: string | undefined;

  constructor(settings: Settings, messages: Messages) {
    this.#settings = settings;
    this.#messages = messages;
    const detail = ({ name, period }: LeaseEvent, text: string) =>
      messages.detail(`${lockNamed(name, period)}: ${text}`);
    listen('refused', ({ period }) => {
      if (period === undefined) this.#wait();
    });
    listen('granted', (event) => {
      const { period, fence, ttl } = event;
      if (period === undefined) this.waited();
      this.#failures.clear();
      const fenced = fence === undefined ? '' : `, with fence ${fence}`;
      detail(event, `granted for ${durationOf(ttl)}${fenced}`);
    });
    listen('renewed', (event) => {
      this.trouble = undefined;
      this.#failures.clear();
      detail(event, `renewed for ${durationOf(event.ttl)}`);
    });
    listen('released', (event) => {
      const { after } = event;
      detail(event, after > 0 ? `left to lapse in ${durationOf(after)}` : 'released');
    });
    listen('store-error', ({ error }) => {
      this.trouble = reasonOf(error.cause ?? error);
      if (settings.volume === 'verbose') this.storeFailed(error);
    });
  }

  /** Says what the store failed to do, once: each attempt to repeat it fails with the same words. */
  storeFailed({ message }: Error): void {
    if (this.#failures.has(message)) return;
    this.#failures.add(message);
    this.#messages.error(message);
  }

  /** Takes the line of progress away. */
  waited(): void {
    clearInterval(this.#waiting);
    this.#messages.progress();
  }

  #wait(): void {
    const { name, wait } = this.#settings;
    if (this.#waiting || wait === 0) return;
    const limit = wait === Number.POSITIVE_INFINITY ? '' : ` of ${durationOf(wait)}`;
    this.#messages.detail(`${lockNamed(name)}: another holds it; waiting`);
    const start = performance.now();
    const show = () => {
      const seconds = Math.round((performance.now() - start) / 1_000) * 1_000;
      this.#messages.progress(
        `waiting for the holder of ${lockNamed(name)}: ${seconds / 1_000} s${limit}`,
      );
    };
    show();
    this.#waiting = setInterval(show, 1_000);
  }
}

function listen<E extends keyof DlockEvents>(
  event: E,
  listener: (details: DlockEvents[E]) => void,
): void {
  subscribe(`dlock:${event}`, (details) => listener(details as DlockEvents[E]));
}
