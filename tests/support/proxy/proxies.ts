/** Proxies before several servers, which do to all of them at once what is asked for. */

import { type Direction, type FaultyProxy, type Held, startFaultyProxy } from './faulty.js';
import type { Matcher, Protocol } from './protocol.js';

/** @param targets the ports of the servers. */
export async function startProxies(targets: number[], protocol: Protocol): Promise<FaultyProxy> {
  const proxies = await Promise.all(targets.map((target) => startFaultyProxy(target, protocol)));
  const [only] = proxies;
  return proxies.length === 1 && only ? only : new Proxies(proxies);
}

/** A trap has struck, and a command is held, once it is so at all of them. */
class Proxies implements FaultyProxy {
  readonly #proxies: readonly FaultyProxy[];

  constructor(proxies: readonly FaultyProxy[]) {
    this.#proxies = proxies;
  }

  get ports(): FaultyProxy['ports'] {
    return this.#proxies.flatMap(({ ports }) => ports) as [number, ...number[]];
  }

  /** At the server that got the most. */
  count(matches: Matcher): number {
    return Math.max(...this.#proxies.map((proxy) => proxy.count(matches)));
  }

  get replies(): number {
    return Math.max(...this.#proxies.map(({ replies }) => replies));
  }

  cutBefore(matches: Matcher): Promise<void> {
    return this.#all((proxy) => proxy.cutBefore(matches));
  }

  dropReply(matches: Matcher): Promise<void> {
    return this.#all((proxy) => proxy.dropReply(matches));
  }

  hold(matches: Matcher): Promise<Held> {
    return this.#hold((proxy) => proxy.hold(matches));
  }

  holdReply(matches: Matcher): Promise<Held> {
    return this.#hold((proxy) => proxy.holdReply(matches));
  }

  delay(direction: Direction, ms: number): void {
    for (const proxy of this.#proxies) proxy.delay(direction, ms);
  }

  freeze(...directions: Direction[]): void {
    for (const proxy of this.#proxies) proxy.freeze(...directions);
  }

  thaw(): void {
    for (const proxy of this.#proxies) proxy.thaw();
  }

  cut(): void {
    for (const proxy of this.#proxies) proxy.cut();
  }

  refuse(): void {
    for (const proxy of this.#proxies) proxy.refuse();
  }

  accept(): void {
    for (const proxy of this.#proxies) proxy.accept();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#all((proxy) => proxy[Symbol.asyncDispose]());
  }

  async #hold(hold: (proxy: FaultyProxy) => Promise<Held>): Promise<Held> {
    const all = await Promise.all(this.#proxies.map(hold));
    return {
      letGo() {
        for (const held of all) held.letGo();
      },
    };
  }

  async #all(act: (proxy: FaultyProxy) => PromiseLike<void>): Promise<void> {
    await Promise.all(this.#proxies.map(act));
  }
}
