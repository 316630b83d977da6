/** Whether a request may still be carried out, though nobody has heard that it was. */
import { clock, idlePause } from './clock.js';

/**
 * Requests to one store. One that is under way may be carried out at any time, since a client may hold
 * it back (while it is offline, say); one that failed, within `timeout` of that or never; one that was
 * answered has been.
 */
export class Doubt {
  readonly #timeout: number;
  readonly #underWay = new Set<Promise<unknown>>();
  #hasFailed = false;
  #end = -Infinity;

  constructor(timeout: number, requests: readonly Promise<unknown>[] = []) {
    this.#timeout = timeout;
    for (const request of requests) this.add(request);
  }

  add(request: Promise<unknown>): void {
    this.#underWay.add(request);
    const settle = (ms: number) => {
      this.#underWay.delete(request);
      this.#end = Math.max(this.#end, clock.monotonic() + ms);
    };
    request.then(
      () => settle(0),
      () => {
        this.#hasFailed = true;
        settle(this.#timeout);
      },
    );
  }

  /**
   * Whether the last answer is final, since all were answered. A request that failed may have been carried out
   * after the store gave that answer, also if it cannot be any more by the time that the answer is heard.
   */
  get isAnswered(): boolean {
    return this.#underWay.size === 0 && !this.#hasFailed;
  }

  /**
   * From then on none of them will be carried out any more. By the monotonic clock, which no step
   * brings nearer; Infinity while one is under way.
   */
  get end(): number {
    return this.#underWay.size > 0 ? Infinity : this.#end;
  }

  get isOver(): boolean {
    return clock.monotonic() >= this.end;
  }

  /** Resolves once none of those that are under way now is any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  /** Resolves once it is over. */
  async passed(): Promise<void> {
    while (!this.isOver) {
      await this.settled();
      if (this.end < Infinity) await idlePause(this.end - clock.monotonic());
    }
  }
}

/** An extension whose outcome is unknown: until `request.end`, it may set the remaining life to `ttl`. */
export interface ExtensionInDoubt {
  readonly ttl: number;
  readonly request: { readonly end: number };
}

export function stillInDoubt(extensions: readonly ExtensionInDoubt[]): ExtensionInDoubt[] {
  return extensions.filter(({ request }) => clock.monotonic() < request.end);
}

/** The life that an extension to `ttl` gives for certain, if it leaves now: a shorter one may follow it. */
export function shortestLife(ttl: number, inDoubt: readonly ExtensionInDoubt[]): number {
  return Math.min(ttl, ...inDoubt.map((extension) => extension.ttl));
}
