/** What a simulated process has in hand, and what it may expect of the library. */
import type { Lease } from '../../src/index.js';
import type { Connection } from './connection.js';
import type { Judge } from './invariants.js';
import type { SimulatedProcess } from './process.js';
import type { Servers } from './servers.js';
import { type Call, isPast, type Tenure } from './tenure.js';
import type { World } from './world.js';

/** How long a lock is left to lapse, in milliseconds. */
export const lapse = 40;

/** What a body throws that fails. */
export const bodyFailed = new Error('the body failed');

/** How a tenure was when its release began, and what the servers had done by then. */
export interface Parting {
  readonly tenure: Tenure;
  readonly wasHeld: boolean;
  readonly before: ReturnType<Servers['mark']>;
}

export class Hands {
  readonly process: SimulatedProcess;
  readonly connection: Connection;
  readonly world: World;
  readonly servers: Servers;
  readonly judge: Judge;
  readonly tenures: Tenure[] = [];
  readonly #fail: (error: unknown) => void;

  /** @param fail is told of what nobody waits for. */
  constructor(
    process: SimulatedProcess,
    connection: Connection,
    world: World,
    servers: Servers,
    judge: Judge,
    fail: (error: unknown) => void,
  ) {
    this.process = process;
    this.connection = connection;
    this.world = world;
    this.servers = servers;
    this.judge = judge;
    this.#fail = fail;
  }

  /** Where the store cannot share a lock, everybody wants it alone. */
  limitOf({ limit }: { readonly limit: number }): number {
    const { acquireShared, limits } = this.connection.store;
    if (!acquireShared) return 1;
    return limits === 'unlimited' && limit > 1 ? Infinity : limit;
  }

  hold(lease: Lease, limit: number, observed: boolean): Tenure {
    this.world.tell('granted', this.process.name, () => lease.token.slice(0, 4));
    const tenure = this.judge.granted(this.process, lease, limit, observed);
    this.tenures.push(tenure);
    return tenure;
  }

  later(ms: number, run: () => Promise<void>): void {
    this.process.later(ms, () => run().catch(this.#fail));
  }

  holds({ lease }: Tenure): boolean {
    const deadline = this.process.deadlineOf(lease);
    return deadline !== undefined && !isPast(deadline, this.process);
  }

  /** Of errors, only those that the library promises to throw: by their code, or themselves. */
  async expecting(call: Call, errors: unknown[], run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      const { code } = error as { code?: string };
      if (!errors.includes(code) && !errors.includes(error)) throw error;
      this.world.tell(code ?? 'rejected', this.process.name, () => (error as Error).message);
    } finally {
      this.judge.returned(call);
    }
  }

  /** A lease is about to be given back, and the lock to lapse after so many milliseconds. */
  leave(tenure: Tenure, after = 0): Parting {
    const wasHeld = this.holds(tenure);
    tenure.leaving = wasHeld;
    tenure.lapse = Math.max(tenure.lapse, after);
    if (tenure.fate === 'open') tenure.fate = 'released';
    return { tenure, wasHeld, before: this.servers.mark() };
  }

  /** What the release of a lease has answered. */
  left({ tenure, wasHeld, before }: Parting, ours: boolean): void {
    if (!ours && tenure.lapse > 0) this.judge.excuse(tenure, 'lost, and left to lapse');
    this.judge.released(tenure, ours, wasHeld, before);
  }
}
