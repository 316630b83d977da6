/**
 * The leases of etcd, by which keys lapse: whole seconds, at least two as a rule. One is used for one grant,
 * and never again: what is sent late can then only concern what has ended.
 */
import { idlePause } from '../../base/clock.js';
import { outsideCallers } from '../../base/context.js';
import { count, EtcdError, notFound, unexpected } from './answers.js';
import type { Gateway } from './gateway.js';

/** In milliseconds: longer than it takes the next to get the lock. */
const revocationPause = 50;

export class Leases {
  readonly #gateway: Gateway;
  readonly #revocations = new Set<Promise<unknown>>();
  /** The shortest that the cluster grants, as far as is known, in seconds. */
  #least = 1;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** What a life of `ms` milliseconds is, in seconds. */
  secondsFor(ms: number): number {
    return Math.max(Math.ceil(ms / 1_000), this.#least);
  }

  /** A new lease of at least `ms` milliseconds; its id. */
  async grant(ms: number): Promise<string> {
    const asked = Math.ceil(ms / 1_000);
    const answer = await this.#gateway.call('lease/grant', { TTL: `${asked}` }, 'repeatable');
    const granted = count(answer.TTL, answer);
    const { ID } = answer;
    if (typeof ID !== 'string' || !/^[1-9]\d*$/.test(ID) || granted < asked) {
      throw unexpected(answer);
    }
    if (granted > asked) this.#least = granted;
    return ID;
  }

  /** Lets it live anew for the whole of the time that it was granted for: that, in seconds; 0: it has lapsed. */
  async keepAlive(ID: string): Promise<number> {
    const answer = await this.#gateway.call('lease/keepalive', { ID }, 'repeatable');
    const result = Object(answer.result) as { ID?: unknown; TTL?: unknown };
    if (result.ID !== ID) throw unexpected(answer);
    return count(result.TTL, answer);
  }

  /** By then it has lapsed unless it is kept alive, in milliseconds; undefined: that cannot be told. */
  async remaining(ID: string): Promise<number | undefined> {
    try {
      const answer = await this.#gateway.call('lease/timetolive', { ID }, 'repeatable');
      const seconds = Number(answer.TTL ?? 0);
      // What is left of the last second is not told.
      return Number.isSafeInteger(seconds) && seconds >= 0 ? (seconds + 1) * 1_000 : undefined;
    } catch {
      return undefined; // whoever asks has been refused all the same
    }
  }

  /**
   * In the background, a moment later, since whoever is next would wait for it. One that is not revoked
   * lapses.
   */
  revoke(ID: string | undefined): void {
    if (ID === undefined) return;
    const revoke = async () => {
      await idlePause(revocationPause);
      await this.#gateway.call('lease/revoke', { ID }, 'repeatable');
    };
    const revoked = outsideCallers(revoke).catch(() => {});
    this.#revocations.add(revoked);
    void revoked.then(() => this.#revocations.delete(revoked));
  }

  /** Resolves when nothing is being revoked. */
  async settled(): Promise<void> {
    while (this.#revocations.size > 0) await Promise.all(this.#revocations);
  }
}

/** Whether a lease had lapsed before it could be used. */
export function isLapsed(error: unknown): boolean {
  return error instanceof EtcdError && error.status === notFound;
}
