/** What fast-check makes up and shrinks: who calls what and when, and what befalls whom. */
import fc from 'fast-check';
import type { First } from './process.js';
import { type Memory, others, type ServerTraits } from './server.js';
import type { Fate } from './wire.js';

/** Times in milliseconds, of true time. */
export interface Script {
  /** For the random numbers of the core. */
  readonly seed: number;
  readonly server: ServerTraits & { readonly timeout: number; readonly wakes: boolean };
  /** How many such servers there are, each a member of a quorum; absent: a single one, and no quorum. */
  readonly members?: number;
  readonly processes: readonly ProcessTraits[];
  readonly steps: readonly Step[];
}

export interface ProcessTraits {
  /** How fast its clocks run. The margin of 1 % is for two clocks that differ by no more. */
  readonly rate: number;
  readonly ordered: boolean;
  /**
   * Whether its machine may sleep; if not, its wall clock may be set back. Against both at once, which
   * together hide the time that passed from either clock, nothing is promised.
   */
  readonly sleeps: boolean;
  readonly fates: readonly Fate[];
}

export interface Step {
  /** How long after the step before. */
  readonly after: number;
  readonly process: number;
  readonly action: Action;
}

export type Action =
  | Take
  | {
      readonly do: 'locked';
      readonly body: Body;
      readonly wait: number;
      readonly ttl: number;
      readonly limit: number;
    }
  | { readonly do: 'once'; readonly body: Body; readonly wait: number; readonly ttl: number }
  | TakeAll
  | Lead
  | { readonly do: 'extend'; readonly ttl: number | undefined }
  | {
      readonly do: 'hand over';
      readonly to: number;
      readonly delay: number;
      readonly ttl: number | undefined;
    }
  | { readonly do: 'look' }
  | { readonly do: 'forget' }
  | { readonly do: 'stall'; readonly ms: number; readonly first: First }
  | { readonly do: 'sleep'; readonly ms: number; readonly first: First }
  | { readonly do: 'set clock'; readonly ms: number }
  | { readonly do: 'cut'; readonly share: number; readonly member?: number }
  | { readonly do: 'freeze'; readonly ms: number; readonly member?: number }
  | Restart
  | { readonly do: 'rob'; readonly ttl: number; readonly name?: string }
  | { readonly do: 'kill' };

/** A server is restarted: away for `ms`, and longer if it comes back empty. */
export interface Restart {
  readonly do: 'restart';
  readonly member: number;
  readonly ms: number;
  readonly memory: Memory;
}

/** Takes the lock, and ends the lease in some way once it was held for `hold`. */
export interface Take {
  readonly do: 'take';
  readonly ttl: number;
  /** How many may hold the lock at once, where the store can share it. */
  readonly limit: number;
  readonly renew: boolean;
  readonly minHold: number;
  readonly wait: number;
  readonly abortAfter: number | undefined;
  /** Whether somebody looks at the signal. */
  readonly observed: boolean;
  readonly hold: number;
  readonly end: 'release' | 'dispose' | 'lapse';
}

/** Takes several locks at once, and gives them back once they were held for `hold`. */
export interface TakeAll {
  readonly do: 'take all';
  /** In any order, and some of them twice. */
  readonly names: readonly string[];
  readonly ttl: number;
  readonly limit: number;
  readonly renew: boolean;
  readonly wait: number;
  readonly abortAfter: number | undefined;
  readonly observed: boolean;
  readonly hold: number;
  readonly end: 'release' | 'dispose' | 'lapse';
}

/** Leads until the body has come to its end by itself, or the caller's signal aborts. */
export interface Lead {
  readonly do: 'lead';
  readonly name: string;
  readonly ttl: number;
  readonly body: Body;
  readonly abortAfter: number | undefined;
  /** What the body does when it is told to end, and how long after that. */
  readonly lag: number;
  readonly echo: 'returns' | 'throws the reason' | 'throws an AbortError' | 'fails';
}

export interface Body {
  readonly ms: number;
  readonly fails: boolean;
}

const some = fc.constantFrom;
const short = fc.integer({ min: 0, max: 5 });
const medium = fc.integer({ min: 0, max: 120 });
const long = fc.integer({ min: 0, max: 2_500 });
const duration = fc.oneof(medium, long);
const delay = delays(4, 3, 1);
const share = fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10);
const ttl = some(150, 60, 400, 1_000, 20_000);
const wait = some(0, Infinity, 300, 2_000);
const limit = some(1, 1, 1, 2, 3, Infinity);
const first = some<First>('timers', 'replies');

/** What befalls messages that take so long. */
const fates = (ms: fc.Arbitrary<number>, delivered = 8): fc.Arbitrary<Fate> =>
  weighted([
    [delivered, { kind: some('delivered' as const), there: ms, back: ms }],
    [1, { kind: some('sent again' as const), there: ms, again: ms, back: ms }],
    [1, { kind: some('request lost' as const), fails: ms }],
    [2, { kind: some('reply lost' as const), there: ms, fails: ms }],
    [2, { kind: some('late' as const), fails: ms, share }],
  ]);

const processes = (ms: fc.Arbitrary<number>, messages = fates(ms), maxLength = 25) =>
  fc.array(
    fc.record({
      rate: some(1, 0.996, 1.004),
      ordered: fc.boolean(),
      sleeps: fc.boolean(),
      fates: fc.array(messages, { maxLength }),
    }),
    { minLength: 3, maxLength: 3 },
  );

const server = fc.record({
  timeout: some(500, 100, 2_000),
  wakes: fc.boolean(),
  queues: fc.boolean(),
  shares: fc.boolean(),
  fences: fc.boolean(),
  knowsLife: fc.boolean(),
  step: some(1, 1, 1_000),
});

const take = {
  do: some('take' as const),
  ttl,
  limit,
  renew: some(true, true, true, false),
  minHold: some(0, 0, 0, 50),
  wait,
  abortAfter: fc.option(duration, { nil: undefined, freq: 4 }),
  observed: fc.boolean(),
  hold: fc.oneof(duration, some(4_000)),
  end: some('release' as const, 'dispose' as const, 'lapse' as const),
};
const body = fc.record({ ms: duration, fails: fc.boolean() });
const locked = { do: some('locked' as const), body, wait, ttl, limit };
const once = { do: some('once' as const), body, wait, ttl };
const otherTtl = fc.option(ttl, { nil: undefined });
const extend = { do: some('extend' as const), ttl: otherTtl };
const handOver = { do: some('hand over' as const), to: fc.nat(2), delay, ttl: otherTtl };
const look = { do: some('look' as const) };
const forget = { do: some('forget' as const) };
const stall = { do: some('stall' as const), ms: duration, first };
const sleep = { do: some('sleep' as const), ms: duration, first };
const clockSteps = some(100, -100, 1_000, -1_000, 3_600_000, -3_600_000);
const setClock = { do: some('set clock' as const), ms: clockSteps };
const cut = { do: some('cut' as const), share };
const sets = (minLength: number) => fc.array(some(...others), { minLength, maxLength: 4 });
const takeAll = {
  do: some('take all' as const),
  names: sets(1),
  ttl,
  limit,
  renew: some(true, true, true, false),
  wait: some(Infinity, Infinity, 0, 300, 2_000),
  abortAfter: fc.option(duration, { nil: undefined, freq: 4 }),
  observed: fc.boolean(),
  hold: fc.oneof(duration, some(4_000)),
  end: some('release' as const, 'release' as const, 'dispose' as const, 'lapse' as const),
};
const lead = {
  do: some('lead' as const),
  name: some(...others),
  ttl,
  body: fc.record({ ms: fc.oneof(duration, some(4_000)), fails: some(false, false, true) }),
  abortAfter: fc.option(fc.oneof(duration, some(4_000)), { nil: undefined }),
  lag: medium,
  echo: some<Lead['echo']>('returns', 'throws the reason', 'throws an AbortError', 'fails'),
};
const freeze = { do: some('freeze' as const), ms: duration };
const rob = { do: some('rob' as const), ttl: some(0, 200) };
const robOther = { ...rob, name: some(...others) };
const kill = { do: some('kill' as const) };

/** Everything that can happen, in any order. */
const anything: fc.Arbitrary<Action> = weighted([
  [14, take],
  [3, locked],
  [3, once],
  [3, extend],
  [2, handOver],
  [1, look],
  [1, forget],
  [3, stall],
  [2, sleep],
  [2, setClock],
  [2, cut],
  [1, freeze],
  [1, rob],
  [1, kill],
]);

/** Few leases, held for long, whose life is changed time and again. */
const change = {
  ...take,
  wait: some(0, 300),
  hold: fc.oneof(long, some(4_000)),
  abortAfter: some(undefined),
  end: some('release' as const, 'lapse' as const),
};
const extensions: fc.Arbitrary<Action> = weighted([
  [4, change],
  [10, extend],
  [2, handOver],
  [1, stall],
  [1, cut],
]);

/** A crowd that waits. */
const crowd: fc.Arbitrary<Action> = weighted([
  [12, { ...take, wait: some(Infinity, 2_000), hold: medium }],
  [1, locked],
  [1, stall],
  [1, cut],
  [1, rob],
]);

/** What befalls the members of a quorum, one by one. */
const member = fc.nat(2);
const restart = {
  do: some('restart' as const),
  member,
  ms: duration,
  memory: some<Memory>('kept', 'empty'),
};
const befallsMembers = [
  [3, restart],
  [2, { ...cut, member }],
  [2, { ...freeze, member }],
] as const;

const anythingOfQuorum: fc.Arbitrary<Action> = weighted([
  [14, take],
  [3, locked],
  [2, once],
  [4, extend],
  [2, handOver],
  [2, stall],
  [1, sleep],
  [1, setClock],
  [1, forget],
  [1, kill],
  ...befallsMembers,
]);

const extensionsOfQuorum: fc.Arbitrary<Action> = weighted([
  [4, change],
  [10, extend],
  [2, handOver],
  [1, stall],
  ...befallsMembers,
]);

/** Several who ask at the same moment, each nearer to another member. */
const contest: fc.Arbitrary<Action> = weighted([
  [12, { ...take, wait: some(0, 300, Infinity), hold: medium }],
  [1, locked],
  ...befallsMembers,
]);
/** Processes that take turns, while little befalls them. */
const promptly = fc.integer({ min: 0, max: 3 });
const patient = { wait: some(Infinity, 2_000), hold: fc.oneof(short, medium, some(7_000)) };
const turn = { ...take, ...patient, ttl: some(20_000) };
const turns: fc.Arbitrary<Action> = weighted([
  [20, { ...turn, minHold: some(0), limit: some(1) }],
  [1, stall],
  [1, kill],
]);
/** The same, of whom most may hold the lock beside others. */
const sharedTurns: fc.Arbitrary<Action> = weighted([
  [20, { ...turn, minHold: some(0, 2_500), limit: some(1, 2, 2, 3, Infinity) }],
  [2, { ...handOver, delay: promptly }],
  [1, stall],
  [1, kill],
]);
const inTurn = (action: fc.Arbitrary<Action>, shares: boolean): fc.Arbitrary<Script> =>
  fc.record({
    seed: fc.noShrink(fc.integer()),
    server: server.map((traits) => ({ ...traits, wakes: true, queues: true, shares })),
    processes: processes(promptly, fates(promptly, 25)),
    steps: fc.array(fc.record({ after: fc.oneof(short, medium), process: fc.nat(2), action }), {
      minLength: 3,
      maxLength: 14,
    }),
  });

const scriptsOf = (
  action: fc.Arbitrary<Action>,
  after: fc.Arbitrary<number>,
  ms: fc.Arbitrary<number>,
  process: fc.Arbitrary<number>,
) =>
  fc.record({
    seed: fc.noShrink(fc.integer()),
    server,
    processes: processes(ms),
    steps: fc.array(fc.record({ after, process, action }), { minLength: 1, maxLength: 14 }),
  });

export const scripts: fc.Arbitrary<Script> = fc.oneof(
  { weight: 3, arbitrary: scriptsOf(anything, duration, delay, fc.nat(2)) },
  { weight: 3, arbitrary: scriptsOf(extensions, medium, delays(3, 3, 2), some(0, 0, 0, 1)) },
  { weight: 1, arbitrary: scriptsOf(crowd, medium, delay, fc.nat(1)) },
  { weight: 3, arbitrary: inTurn(turns, false) },
  { weight: 2, arbitrary: inTurn(sharedTurns, true) },
);

/** Several locks at once, and leaders, among all that can befall them. */
const several: fc.Arbitrary<Action> = weighted([
  [10, takeAll],
  [6, lead],
  [2, extend],
  [1, handOver],
  [2, stall],
  [1, sleep],
  [1, setClock],
  [2, cut],
  [1, freeze],
  [3, robOther],
  [1, kill],
]);

/** A crowd that wants several locks, in any order, and waits for them. */
const groups: fc.Arbitrary<Action> = weighted([
  [12, { ...takeAll, names: sets(2), wait: some(Infinity, Infinity, 2_000), hold: medium }],
  [1, stall],
  [1, robOther],
]);

/** Those who want to lead, and do not keep the lock for long. */
const leaders: fc.Arbitrary<Action> = weighted([
  [10, { ...lead, name: some('a'), body: fc.record({ ms: long, fails: some(false) }) }],
  [6, { ...robOther, name: some('a') }],
  [2, { ...stall, ms: long }],
  [1, cut],
  [1, kill],
]);

export const scriptsForSeveral: fc.Arbitrary<Script> = fc.oneof(
  { weight: 3, arbitrary: scriptsOf(several, duration, delay, fc.nat(2)) },
  { weight: 2, arbitrary: scriptsOf(groups, medium, delays(4, 2, 0), fc.nat(2)) },
  { weight: 2, arbitrary: scriptsOf(leaders, duration, delays(4, 2, 1), fc.nat(2)) },
);

const scriptsOfQuorum = (
  action: fc.Arbitrary<Action>,
  after: fc.Arbitrary<number>,
  ms: fc.Arbitrary<number>,
  process: fc.Arbitrary<number>,
) =>
  fc
    .record({
      members: some(3),
      script: scriptsOf(action, after, ms, process),
      processes: processes(ms, fates(ms), 60),
    })
    .map(({ members, script, processes }) => ({ ...script, members, processes }));

export const scriptsForQuorum: fc.Arbitrary<Script> = fc.oneof(
  { weight: 3, arbitrary: scriptsOfQuorum(anythingOfQuorum, duration, delay, fc.nat(2)) },
  {
    weight: 2,
    arbitrary: scriptsOfQuorum(extensionsOfQuorum, medium, delays(3, 3, 2), some(0, 0, 0, 1)),
  },
  { weight: 2, arbitrary: scriptsOfQuorum(contest, delays(4, 1, 0), delay, fc.nat(2)) },
);

/** Delays, of which so many are short, medium and long. */
function delays(...weights: [number, number, number]): fc.Arbitrary<number> {
  const arbitraries = [short, medium, long];
  return fc.oneof(
    ...weights.map((weight, index) => ({ weight, arbitrary: arbitraries[index] as typeof short })),
  );
}

/** One of several kinds of record, each with its weight. */
function weighted<T>(
  kinds: readonly (readonly [weight: number, model: object])[],
): fc.Arbitrary<T> {
  const choices = kinds.map(([weight, model]) => ({ weight, arbitrary: fc.record(model) }));
  return fc.oneof(...choices) as fc.Arbitrary<T>;
}
