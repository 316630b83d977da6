/** Several leases that were taken together, and are given back together. */
import type { InspectOptions, inspect } from 'node:util';
import { lockNamed } from '../base/names.js';
import type { Lease } from './lease.js';
import { signalOf } from './signals.js';

/**
 * The leases of several locks, in the order in which they were taken. `await using` releases all of them when
 * its block is left. The group has no fence, token or ticket: each lease has its own.
 */
export interface Leases extends AsyncDisposable, Iterable<Lease> {
  /** By the clock, without asking the store: true only while nobody else can hold any of the locks. */
  readonly held: boolean;
  /** Milliseconds of validity left of the lease that has the least; 0 once one is lost or released. */
  readonly remaining: number;
  /**
   * Aborts with the first loss of a lease, which is its reason. The others stay held, and are renewed, until
   * they are released: a body may need them to stop in good order.
   */
  readonly signal: AbortSignal;
  /** Throws the `LeaseLostError` of a lease that is not held, if there is one: of the first loss. */
  assertHeld(): void;
  /**
   * Sets all leases to live for a whole ttl from now, in parallel: see {@link Lease.extend}. Rejects with the
   * first failure, whatever becomes of the others.
   */
  extend(ttl?: number): Promise<void>;
  /**
   * Gives all locks back, in parallel. A second call returns what the first did, without a request.
   *
   * @param options `after`: let the locks lapse in that many milliseconds instead of now.
   * @returns true if all of them were still held; false if at least one had been lost.
   * @throws {@link StoreError} if the outcome of at least one is unknown, after all releases were requested.
   */
  release(options?: { after?: number | undefined }): Promise<boolean>;
  /**
   * The lease of one lock: its fence, say, or its `handOver`.
   *
   * @throws RangeError if this group has no lease on that lock.
   */
  of(name: string): Lease;
}

/** The leases of a group that is complete. */
export class HeldLeases implements Leases {
  readonly #leases: readonly Lease[];
  #signal: AbortSignal | undefined;

  constructor(leases: readonly Lease[]) {
    this.#leases = leases;
    // As a method it would keep bundlers from leaving out the class where nobody takes several locks.
    Object.defineProperty(this, Symbol.for('nodejs.util.inspect.custom'), { value: showLeases });
  }

  get held(): boolean {
    return this.#leases.every(({ held }) => held);
  }

  get remaining(): number {
    return Math.min(...this.#leases.map(({ remaining }) => remaining));
  }

  get signal(): AbortSignal {
    const signals = this.#leases.map(({ signal }) => signal);
    this.#signal ??= signalOf(this, signals);
    // A loss that nobody has noticed yet shows at a lease before it is told here.
    return [this.#signal, ...signals].find(({ aborted }) => aborted) ?? this.#signal;
  }

  assertHeld(): void {
    this.#signal?.throwIfAborted();
    for (const lease of this.#leases) lease.assertHeld();
  }

  async extend(ttl?: number): Promise<void> {
    await Promise.all(this.#leases.map((lease) => lease.extend(ttl)));
  }

  async release(options?: { after?: number | undefined }): Promise<boolean> {
    const releases = this.#leases.map((lease) => lease.release(options));
    await Promise.allSettled(releases);
    return (await Promise.all(releases)).every((ours) => ours);
  }

  of(name: string): Lease {
    const lease = this.#leases.find((lease) => lease.name === name);
    if (!lease) throw new RangeError(`None of these leases is on ${lockNamed(name)}`);
    return lease;
  }

  [Symbol.iterator](): Iterator<Lease> {
    return this.#leases[Symbol.iterator]();
  }

  /** Each lease disposes of itself: never throws, never hides. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#leases.map((lease) => lease[Symbol.asyncDispose]()));
  }
}

/** How `console.log` shows a group: its leases, and so without any token. */
function showLeases(
  this: HeldLeases,
  _depth: number,
  options: InspectOptions,
  show: typeof inspect,
): string {
  return `Leases ${show([...this], options)}`;
}
