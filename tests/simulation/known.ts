/** What each process knows of who holds a lock: an outage is never told as "held". */
import type { Attempt } from '../../src/store.js';
import type { SimulatedProcess } from './process.js';
import type { Request } from './server.js';
import type { Call, Tenure } from './tenure.js';
import { fill } from './together.js';

/** What a process was granted, and until when it held that, by its monotonic clock. */
interface Grant {
  readonly process: SimulatedProcess;
  readonly name: string;
  readonly limit: number;
  until: number;
}

export class Known {
  /** By token. */
  readonly #grants = new Map<string, Grant>();
  /** When each process last knew that a lock was held, by its monotonic clock. */
  readonly #heldAt = new Map<SimulatedProcess, Map<string, number>>();

  sent(process: SimulatedProcess, { operation, token }: Request): void {
    const grant = this.#grants.get(token);
    if (grant && operation === 'release') {
      grant.until = Math.min(grant.until, process.monotonic());
    }
  }

  /** The store has answered, `ms` of the process' time after the request left. */
  answered(
    process: SimulatedProcess,
    { operation, name, token, ttl, limit = this.limitOf(token) }: Request,
    answer: Attempt | boolean,
    ms: number,
  ): void {
    const until = process.monotonic() - ms + ttl;
    if (typeof answer === 'object') {
      if (answer.granted) this.#grants.set(token, { process, name, limit, until });
      else this.#isHeld(process, name);
    } else if (answer && operation === 'extend' && this.#grants.has(token)) {
      this.#grants.set(token, { process, name, limit, until });
    }
  }

  /** A lease has ended: who held the lock alone knows that it was held until then. */
  ended({ process, lease, limit }: Tenure): void {
    if (limit === 1) this.#isHeld(process, lease.name);
  }

  /** How many may hold the lock at once, of whoever was granted it with a token. */
  limitOf(token: string): number {
    return this.#grants.get(token)?.limit ?? 1;
  }

  /**
   * Whether a call may say that others hold the lock: the store has said so since it began, or its own process
   * has kept out whoever wants the lock with one of its `limits`: its own, or that of one ahead of it.
   */
  mayTell(call: Call, name: string, tenures: Iterable<Tenure>, limits: readonly number[]): boolean {
    const { process, startMonotonic } = call;
    const heldAt = this.#heldAt.get(process)?.get(name) ?? -Infinity;
    if (heldAt >= startMonotonic) return true;
    const ours = new Map<string, number>();
    for (const [token, grant] of this.#grants) {
      const isOurs = grant.process === process && grant.name === name;
      if (isOurs && grant.until >= startMonotonic) ours.set(token, grant.limit);
    }
    for (const { process: holder, ended, leaving, lease, limit } of tenures) {
      if (holder === process && (!ended || leaving)) ours.set(lease.token, limit);
    }
    return limits.some((limit) => fill([...ours.values()], limit));
  }

  #isHeld(process: SimulatedProcess, name: string): void {
    const heldAt = this.#heldAt.get(process) ?? new Map<string, number>();
    this.#heldAt.set(process, heldAt.set(name, process.monotonic()));
  }
}
