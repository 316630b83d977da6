/** What befalls workers and servers: at random, each kind of fault at a rate of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Crew } from './crew.js';
import { commonTime } from './journal.js';
import type { Scene } from './stores.js';

export type FaultKind =
  | 'worker killed'
  | 'worker frozen'
  | 'server frozen'
  | 'connection cut'
  | 'all cut'
  | 'unreachable';

/** Times are by the common clock. */
export interface Fault {
  readonly kind: FaultKind;
  readonly at: number;
  /** When it was over. */
  readonly until: number;
  /** The post of the worker, or the number of the server. */
  readonly target: number;
}

/** Who and what there is to be hit. */
export interface Stage {
  readonly crew: Crew;
  readonly scene: Scene;
  /** The posts of the workers, and of those who may be killed. */
  readonly posts: readonly number[];
  readonly mortals: readonly number[];
  /** Kinds of faults that are left out. */
  readonly spared: readonly FaultKind[];
  readonly ttl: number;
}

/** The mean time between the end of one and the beginning of the next, in milliseconds. */
export type FaultRates = Partial<Record<FaultKind, number>>;

/** Begins a fault, and says whom it hits, and when it is over and undone. */
type Inflict = (stage: Stage) => { target: number; over?: Promise<unknown> };

const faults: Record<FaultKind, Inflict> = {
  'worker killed': ({ crew, mortals }) => {
    const target = oneOf(mortals);
    return { target, over: crew.replace(target) };
  },
  'worker frozen': ({ crew, posts, ttl }) => {
    const target = oneOf(posts);
    return { target, over: crew.freeze(target, aWhile(ttl)) };
  },
  'server frozen': ({ scene: { servers }, ttl }) => {
    const server = oneOf(servers);
    const freeze = async () => {
      await server.freeze();
      await delay(aWhile(ttl));
      await server.thaw();
    };
    return { target: 1 + servers.indexOf(server), over: freeze() };
  },
  'connection cut': ({ scene: { proxies } }) => {
    const proxy = oneOf(proxies);
    proxy.cutOne();
    return { target: 1 + proxies.indexOf(proxy) };
  },
  'all cut': ({ scene: { proxies } }) => {
    const proxy = oneOf(proxies);
    proxy.cut();
    return { target: 1 + proxies.indexOf(proxy) };
  },
  unreachable: ({ scene: { proxies }, ttl }) => {
    const proxy = oneOf(proxies);
    proxy.refuse();
    return { target: 1 + proxies.indexOf(proxy), over: delay(aWhile(ttl)).then(proxy.accept) };
  },
};

/** Inflicts faults until the signal aborts. Resolves, all of them undone, to what happened. */
export async function inflictFaults(
  stage: Stage,
  rates: FaultRates,
  signal: AbortSignal,
): Promise<Fault[]> {
  const inflicted: Fault[] = [];
  const repeat = async (kind: FaultKind, mean: number) => {
    while (await passes(-Math.log(1 - Math.random()) * mean, signal)) {
      const at = commonTime();
      const { target, over } = faults[kind](stage);
      await over;
      inflicted.push({ kind, at, until: over ? commonTime() : at, target });
    }
  };
  const rows = Object.entries(rates) as [FaultKind, number][];
  const allowed = rows.filter(([kind]) => !stage.spared.includes(kind));
  await Promise.all(allowed.map(([kind, mean]) => repeat(kind, mean)));
  return inflicted;
}

/** False: the signal aborted first. */
async function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  await delay(ms, undefined, { signal }).catch(() => {});
  return !signal.aborted;
}

/** Up to two ttls: some leases outlive it, others do not. */
function aWhile(ttl: number): number {
  return ttl * (0.1 + 1.9 * Math.random());
}

function oneOf<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)] as T;
}
