/** Tells the user the story of one run: what the core does, from its events, and what the command does. */
import { reasonOf } from '../base/errors.js';
import { lockNamed } from '../base/names.js';
import { type LeaseEvent, subscribe } from '../index.js';
import type { Settings } from './arguments.js';
import { durationOf } from './duration.js';
import type { Messages, Weight } from './messages.js';

export class Narrator {
  readonly #settings: Settings;
  readonly #messages: Messages;
  #waiting: NodeJS.Timeout | undefined;
  /** What was said of the store's failures since it last did what it was asked. */
  readonly #failures = new Set<string>();
  #trouble: string | undefined;

  constructor(settings: Settings, messages: Messages) {
    this.#settings = settings;
    this.#messages = messages;
    const step = ({ name, period }: LeaseEvent, text: string) =>
      messages.write('step', `${lockNamed(name, period)}: ${text}`);
    subscribe('refused', ({ period }) => {
      if (period === undefined) this.#wait();
    });
    subscribe('granted', (event) => {
      const { period, fence, ttl } = event;
      if (period === undefined) this.waited();
      this.#failures.clear();
      const fenced = fence === undefined ? '' : `, with fence ${fence}`;
      step(event, `granted for ${durationOf(ttl)}${fenced}`);
    });
    subscribe('renewed', (event) => {
      this.#trouble = undefined;
      this.#failures.clear();
      step(event, `renewed for ${durationOf(event.ttl)}`);
    });
    subscribe('released', (event) => {
      const { after, latency } = event;
      if (latency !== undefined)
        step(event, after > 0 ? `left to lapse in ${durationOf(after)}` : 'released');
    });
    subscribe('store-error', ({ error }) => {
      this.#trouble = reasonOf(error.cause ?? error);
      if (settings.volume === 'verbose') this.storeFailed(error);
    });
  }

  /** Why the last request to the store failed; undefined since one succeeded. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Says something of the lock. */
  tell(weight: Weight, text: string): void {
    this.#messages.write(weight, `${lockNamed(this.#settings.name)}: ${text}`);
  }

  /** Repeats an error that names the lock itself. */
  repeat(text: string): void {
    this.#messages.write('error', text);
  }

  /** Says what the store failed to do, once: each attempt to repeat it fails with the same words. */
  storeFailed({ message }: Error): void {
    if (this.#failures.has(message)) return;
    this.#failures.add(message);
    this.repeat(message);
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
    this.tell('step', 'another holds it; waiting');
    const start = performance.now();
    const show = () => {
      const seconds = Math.round((performance.now() - start) / 1_000);
      this.#messages.progress(`waiting for the holder of ${lockNamed(name)}: ${seconds} s${limit}`);
    };
    show();
    this.#waiting = setInterval(show, 1_000);
  }
}
