/** What a process has of the servers: a wire to each, and the store that it makes of them. */
import type { LockStore } from '../../src/store.js';
import type { Judge } from './invariants.js';
import { Observed } from './observed.js';
import type { SimulatedProcess } from './process.js';
import type { Servers } from './servers.js';
import { type Fate, Wire, type WireTraits } from './wire.js';
import type { World } from './world.js';

export class Connection {
  readonly store: LockStore & { readonly timeout: number };
  readonly #wires: readonly Wire[];

  /** @param fates of all messages, whichever wire they take. */
  constructor(
    world: World,
    process: SimulatedProcess,
    servers: Servers,
    fates: Iterator<Fate>,
    judge: Judge,
    traits: WireTraits,
  ) {
    const { timeout } = traits;
    this.#wires = servers.all.map(
      (server) => new Wire(world, process, server, fates, judge, traits),
    );
    const [wire] = this.#wires as [Wire];
    const { QuorumStore } = process.core;
    const store = servers.isQuorum ? new QuorumStore(this.#wires, { timeout }) : wire;
    this.store = new Observed(store, timeout, process, judge);
  }

  get idle(): boolean {
    return this.#wires.every(({ idle }) => idle);
  }

  heal(): void {
    for (const wire of this.#wires) wire.heal();
  }

  /** @param member of which the connection breaks; undefined: all do. */
  cut(share: number, member?: number): void {
    const wires = this.#wires.filter((_, index) => member === undefined || index === member);
    for (const wire of wires) wire.cut(share);
  }

  hurry(): void {
    for (const wire of this.#wires) wire.hurry();
  }

  abandon(): void {
    for (const wire of this.#wires) wire.abandon();
  }
}
