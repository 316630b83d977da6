/** Waiters: what the measures b, c and d have in common, both in the worker and in the main process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startCountingProxy } from '../../tests/support/proxy/counting.js';
import { memcached } from '../../tests/support/proxy/memcached.js';
import { resp } from '../../tests/support/proxy/resp.js';
import {
  type Addresses,
  type Contestant,
  type Engine,
  type Session,
  ttl,
} from '../contestants/contestant.js';
import { requestsOf } from '../requests.js';
import { Worker } from '../workers.js';

/** How long the work under the lock takes, in milliseconds, as far as timers are that exact. */
export const bodyTime = 5;

export interface Crowd {
  readonly name: string;
  readonly waiters: number;
  readonly body: number;
  /** How many are let in at once; absent: one, by the plain lock. */
  readonly places?: number | undefined;
  /** Waiting is given up after so many milliseconds. */
  readonly limit: number;
}

export interface Served {
  /** Which waiter came when: their places in the order of asking, in the order of service. */
  readonly order: number[];
  /** What the bodies took in truth, in milliseconds, on average. */
  readonly body: number;
  /** In milliseconds since the epoch, since other processes compare it: when they asked, ... */
  readonly start: number;
  /** ... when the first was let in, ... */
  readonly entered: number;
  /** ... and when the last had given the lock back. */
  readonly end: number;
}

const now = () => performance.timeOrigin + performance.now();

/** The task: all waiters ask at once; resolves when each was served, or after the limit. */
export async function serve(session: Session, crowd: Crowd): Promise<Served> {
  const order: number[] = [];
  const start = now();
  let entered = Number.NaN;
  let end = start;
  let inBodies = 0;
  const sections = Array.from({ length: crowd.waiters }, async (_, place) => {
    const { places } = crowd;
    const run = async (body: () => Promise<void>) =>
      places ? session.place?.(crowd.name, places, body) : session.section(crowd.name, body);
    await run(async () => {
      order.push(place);
      const begun = now();
      if (order.length === 1) entered = begun;
      if (crowd.body > 0) await sleep(crowd.body);
      inBodies += now() - begun;
    });
    end = now();
  });
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, crowd.limit);
  });
  await Promise.race([Promise.all(sections), limit]);
  clearTimeout(timer);
  return { order: [...order], body: inBodies / Math.max(1, order.length), start, entered, end };
}

/** Runs it unless that has failed before, and notes if it does now: then the others go on without. */
export async function attempt(
  subject: { failure?: string },
  run: () => Promise<void>,
): Promise<void> {
  if (subject.failure) return;
  try {
    await run();
  } catch (error) {
    subject.failure = (error as Error).message;
  }
}

/** A worker of one contestant, replaced by a new one when it was given up or has crashed. */
export class Lane {
  readonly contestant: Contestant;
  readonly #letter: string;
  readonly #addresses: Addresses;
  #worker: Worker | undefined;

  constructor(letter: string, contestant: Contestant, addresses: Addresses) {
    this.contestant = contestant;
    this.#letter = letter;
    this.#addresses = addresses;
  }

  /** Connects if need be, and runs all that waiting runs: no burst starts in a cold process. */
  async warmUp(): Promise<void> {
    if (this.#worker) return;
    for (const waiters of [1, 1, 1, 2, 2]) await this.serve({ waiters, body: 1, limit: 5_000 });
  }

  async serve(crowd: Omit<Crowd, 'name'> & { name?: string }): Promise<Served> {
    const worker = await this.worker();
    try {
      const served = await worker.ask<Served>('serve', { name: freshName(), ...crowd });
      if (served.order.length < crowd.waiters) this.end();
      return served;
    } catch (error) {
      this.end();
      throw error;
    }
  }

  async worker(): Promise<Worker> {
    this.#worker ??= await Worker.start(this.#letter, this.contestant, this.#addresses);
    return this.#worker;
  }

  end(): void {
    this.#worker?.end();
    this.#worker = undefined;
  }
}

/** The server that the contestant talks to over a wire, and how; undefined: there is no wire. */
export function wireOf({ server }: Contestant, addresses: Addresses) {
  if (server === 'redis') return { server, port: addresses.redis, protocol: resp };
  if (server === 'memcached') return { server, port: addresses.memcached, protocol: memcached };
  return undefined;
}

function engineWireOf({ server }: Contestant, addresses: Addresses) {
  if (!(server in requestsOf)) return undefined;
  const engine = server as Engine;
  return { server: engine, port: addresses[engine] as number, protocol: requestsOf[engine] };
}

/** A proxy to the contestant's server, and the addresses that lead through it; none without a wire. */
export async function proxied(contestant: Contestant, addresses: Addresses) {
  const wire = wireOf(contestant, addresses) ?? engineWireOf(contestant, addresses);
  if (!wire) return undefined;
  const proxy = await startCountingProxy(wire.port, wire.protocol);
  return { proxy, addresses: { ...addresses, [wire.server]: proxy.port } };
}

let release: (() => Promise<void>) | undefined;

/** The tasks of a holder that stands before the waiters: to take the lock, ... */
export async function take(session: Session, { name }: { name: string }): Promise<void> {
  release = await session.hold(name, ttl, () => {});
}

/** ... and to give it back; answers when that began. */
export async function giveBack(): Promise<number> {
  const began = now();
  await release?.();
  return began;
}

let crowds = 0;

/** A lock that nobody has used before. */
export function freshName(): string {
  crowds += 1;
  return `crowd-${crowds}`;
}
