/** One run: workers who contend for locks, faults that befall them, and the judgement at the end. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AcquireTimeoutError, acquire } from 'dlock-js';
import { openStore } from '../support/stores.js';
import { Crew } from './crew.js';
import { type Fault, type FaultRates, inflictFaults, type Stage } from './faults.js';
import { gatherHistory, type History, judge, type Violation } from './history.js';
import { commonTime, type Entry, readJournal } from './journal.js';
import type { Scene, StoreKind } from './stores.js';

export interface Plan {
  readonly workers: number;
  /** How many of them, the last ones, may be killed. */
  readonly mortals: number;
  /** Loops of each worker, and the longest rest of each between two leases, in milliseconds. */
  readonly contenders: number;
  readonly rest: number;
  readonly locks: number;
  /** How many are to hold a lock at once, of which each store has those that it can keep to. */
  readonly limits: readonly number[];
  /** Of the leases, and the time limit of the store's answers; in milliseconds. */
  readonly ttl: number;
  readonly timeout: number;
  readonly faults: FaultRates;
  /** Whether each lease is renewed: then one that is lost is lost by a fault. */
  readonly renewed?: boolean;
}

export interface Run {
  readonly plan: Plan;
  readonly history: History;
  readonly faults: readonly Fault[];
  /** Of the common clock: from the first worker's start until all had ended. */
  readonly from: number;
  readonly until: number;
  readonly violations: readonly Violation[];
  /** Workers that crashed or hung, and locks that nobody could take any more. */
  readonly mishaps: readonly string[];
  /** Where the journals are kept, if there is something to be looked into. */
  readonly journals: string | undefined;
}

/** @param during what goes on meanwhile: the run ends when it does. */
export async function run(
  kind: StoreKind,
  given: Plan,
  during: (stage: Stage) => Promise<unknown>,
): Promise<Run> {
  const plan = { ...given, ...kind.pace };
  const { workers, mortals, contenders, rest, ttl, timeout, renewed } = plan;
  const directory = await mkdtemp(join(tmpdir(), 'dlock-chaos-'));
  await using scene = await kind.setUp();
  const from = commonTime();
  const locks = numbers(plan.locks).map((number) => `lock ${number}`);
  const limits = plan.limits.filter((limit) => limit === 1 || kind.limits?.includes(limit));
  const orders = { url: scene.url, locks, limits, contenders, rest, ttl, timeout, renewed };
  const crew = new Crew(workers, orders, directory);
  const posts = numbers(workers);
  const mortalPosts = posts.slice(workers - mortals);
  const stage: Stage = { crew, scene, posts, mortals: mortalPosts, spared: kind.forfeits, ttl };

  const over = new AbortController();
  const inflicting = inflictFaults(stage, plan.faults, over.signal);
  await during(stage);
  over.abort();
  const faults = await inflicting;
  await crew.end();
  const until = commonTime();
  const mishaps = [...crew.mishaps, ...(await neverFree(scene, locks, ttl))];

  const history = gatherHistory(readJournals(directory));
  const violations = judge(history, kind);
  const clean = violations.length + mishaps.length === 0;
  if (clean) await rm(directory, { recursive: true });
  const journals = clean ? undefined : directory;
  return { plan, history, faults, from, until, violations, mishaps, journals };
}

/** Everybody has gone: what was left behind must lapse within a ttl, or it never does. */
async function neverFree(scene: Scene, locks: readonly string[], ttl: number): Promise<string[]> {
  const { store, close } = await openStore(scene.directUrl);
  const take = async (lock: string) => {
    try {
      await using _ = await acquire(store, lock, { wait: 2 * ttl + 5_000 });
      return [];
    } catch (error) {
      if (error instanceof AcquireTimeoutError) return [`${lock} does not come free`];
      throw error;
    }
  };
  const stuck = await Promise.all(locks.map(take));
  await close();
  return stuck.flat();
}

function* readJournals(directory: string): Generator<[string, Iterable<Entry>]> {
  for (const name of readdirSync(directory)) {
    yield [name, readJournal(readFileSync(join(directory, name), 'utf8'))];
  }
}

/** 1, 2, ... `count`. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
