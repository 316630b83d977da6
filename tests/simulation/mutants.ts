/**
 * Breaks the core in one named way after another and lets the simulation find out: a simulation that
 * does not notice is too weak to prove anything. Ends with 1 if a mutant survives.
 */
import { compileCore, type Mutation } from './core.js';
import { Violation } from './invariants.js';
import { simulate } from './simulate.js';

interface Mutant extends Mutation {
  readonly name: string;
}

/** How many runs a mutant has to survive, and the seed that makes them up. */
const { DLOCK_SIMULATION_RUNS: runs = '50000', DLOCK_SIMULATION_SEED: seed = '1' } = process.env;

const all: readonly Mutant[] = [
  {
    name: 'no margin for clocks that differ',
    file: 'lease/life.ts',
    text: 'ttl - ttl * 0.01 - 2',
    replacement: 'ttl',
  },
  {
    name: 'the deadline counts from the answer',
    file: 'api/acquire.ts',
    text: '      return granted(claim, start, terms);',
    replacement: '      return granted(claim, now(), terms);',
  },
  {
    name: 'the renewed deadline counts from the answer',
    file: 'lease/life.ts',
    text: 'this.#deadline = deadlineOf(start, life);',
    replacement: 'this.#deadline = deadlineOf(now(), life);',
  },
  {
    name: 'the wall clock is ignored',
    file: 'base/clock.ts',
    text: 'return Math.min(to.monotonic - from.monotonic, to.wall - from.wall);',
    replacement: 'return to.monotonic - from.monotonic;',
  },
  {
    name: 'the monotonic clock is ignored',
    file: 'base/clock.ts',
    text: 'return Math.min(to.monotonic - from.monotonic, to.wall - from.wall);',
    replacement: 'return to.wall - from.wall;',
  },
  {
    name: 'a grant after its deadline is a lease',
    file: 'api/acquire.ts',
    text: 'if (lease.held) return lease;',
    replacement: 'if (lease) return lease;',
  },
  {
    name: 'a late grant is not given back',
    file: 'api/acquire.ts',
    text: '  lease.discard();\n',
    replacement: '',
  },
  {
    name: 'who has left the line is given the lease',
    file: 'line/line.ts',
    text: 'if (!waiter.serve(outcome)) outcome.discard();',
    replacement: 'waiter.serve(outcome);',
  },
  {
    name: 'a loss is not final',
    file: 'lease/life.ts',
    text: "this.#end('lost');",
    replacement: '',
  },
  {
    name: 'a loss is not told',
    file: 'lease/loss.ts',
    text: 'this.#controller?.abort(this.#error);',
    replacement: '',
  },
  {
    name: 'the deadline has no timer',
    file: 'lease/life.ts',
    text: 'this.#alarm.set(earliest(this.#deadline, this.#renewal.due))',
    replacement: 'this.#alarm.set(this.#renewal.due)',
  },
  {
    name: '"not yours" is no loss',
    file: 'lease/life.ts',
    text: "if (!ours && this.#phase === 'held') this.lose('the store says that it is not ours');",
    replacement: 'void ours;',
  },
  {
    name: 'a renewal that failed counts as done',
    file: 'lease/life.ts',
    text: '      this.#renewal.trouble = error;\n      throw error;',
    replacement: '      this.#renewal.trouble = error;',
  },
  {
    name: 'an extension under way keeps the longer life',
    file: 'lease/life.ts',
    text: 'this.#deadline = earliest(this.#deadline, deadlineOf(start, ttl));',
    replacement: 'void earliest;',
  },
  {
    name: 'an extension in doubt is forgotten',
    file: 'asking/ask.ts',
    text: '    doubt(claim, ttl, request);\n',
    replacement: '    void doubt;\n',
  },
  {
    name: 'an extension is in doubt only while somebody waits for it',
    file: 'asking/ask.ts',
    text: 'const doubt: Doubt = { ttl, end: Infinity };',
    replacement: 'const doubt: Doubt = { ttl, end: clock.monotonic() + claim.timeout };',
  },
  {
    name: 'an extension that failed is taken for one that never comes',
    file: 'asking/ask.ts',
    text: 'doubt.end = clock.monotonic() + claim.timeout;',
    replacement: 'doubt.end = clock.monotonic();',
  },
  {
    name: 'renewal is not stopped by a release',
    file: 'lease/life.ts',
    text: "this.#end('stopped');",
    replacement: '',
  },
  {
    name: 'a lock is left to lapse before a renewal in flight',
    file: 'lease/lease.ts',
    text: 'await this.#life.settled();',
    replacement: '',
  },
  {
    name: 'release says yes when it was lost',
    file: 'lease/lease.ts',
    text: '      return false;\n    }\n    const answer',
    replacement: '      return true;\n    }\n    const answer',
  },
  {
    name: 'a release asks twice',
    file: 'lease/lease.ts',
    text: 'this.#release ??= this.#giveBack(after);',
    replacement: 'this.#release = this.#giveBack(after);',
  },
  {
    name: 'the fence is not kept',
    file: 'api/acquire.ts',
    text: 'claim.fence = answer.fence;',
    replacement: '',
  },
  {
    name: 'a failed acquire is not undone',
    file: 'api/acquire.ts',
    text: '  } catch (error) {\n    void undo(claim);\n',
    replacement: '  } catch (error) {\n',
  },
  {
    name: 'a release in doubt is not undone',
    file: 'lease/lease.ts',
    text: 'if (inDoubt) void undo(claim, life);',
    replacement: 'void inDoubt;',
  },
  {
    name: 'undo believes the first "not yours"',
    file: 'asking/undo.ts',
    text: '(answered && asked >= settledFor)',
    replacement: 'answered',
  },
  {
    name: 'undo takes an acquire that failed for one that never comes',
    file: 'asking/undo.ts',
    text: '(doubt ? claim.timeout : 0)',
    replacement: '0',
  },
  {
    name: 'undo does not wait for what the client holds back',
    file: 'asking/undo.ts',
    text: '  await settled;\n  await giveBack();\n',
    replacement: '',
  },
  {
    name: 'undo stops a ttl after it began',
    file: 'asking/undo.ts',
    text: 'const lastGrant = settledFor < Infinity ? settledFor : begun;',
    replacement: 'const lastGrant = begun;',
  },
  {
    name: 'every attempt has the same token',
    file: 'api/acquire.ts',
    text: 'place?.token ?? newToken()',
    replacement: "'a'.repeat(32)",
  },
  {
    name: 'a request has no time limit',
    file: 'asking/ask.ts',
    text: 'const timer = clock.setTimer(',
    replacement: 'const timer = ((_: () => void, ms: number) => ms)(',
  },
  {
    name: 'the line serves two heads',
    file: 'line/line.ts',
    text: 'if (!this.#serving) outsideCallers(',
    replacement: 'if (Math.abs(1)) outsideCallers(',
  },
  {
    name: 'the line serves the last one first',
    file: 'line/line.ts',
    text: 'for (const waiter of this.#waiters) {\n      while',
    replacement: 'for (const waiter of [...this.#waiters].reverse()) {\n      while',
  },
  {
    name: 'the line forgets its head when it is woken',
    file: 'line/lookout.ts',
    text: 'if (ms <= 0) this.#rest?.end();',
    replacement: 'if (ms <= 0) this.#rest = undefined;',
  },
  {
    name: 'a holder in this process ends without a word to its line',
    file: 'lease/holders.ts',
    text: 'this.onEnd?.(release, after);',
    replacement: '',
  },
  {
    name: 'the line keeps its watch',
    file: 'line/watch.ts',
    text: 'this.#opening?.then((opened) => opened?.[Symbol.asyncDispose]()).catch(() => {});',
    replacement: '',
  },
  {
    name: 'an abort leaves its listener',
    file: 'asking/ask.ts',
    text: 'stopListening?.();',
    replacement: 'void stopListening;',
  },
  {
    name: 'patience has no end',
    file: 'line/line.ts',
    text: 'patience.set(later(start, wait));',
    replacement: '',
  },
  {
    name: 'an outage is taken for "held"',
    file: 'line/line.ts',
    text: 'else waiter.fail(this.#unanswered(wait));',
    replacement: 'else waiter.serve(null);',
  },
  {
    name: 'what the store said long ago counts as "held"',
    file: 'line/last-holder.ts',
    text: 'return this.#heldUntil >= start.monotonic ||',
    replacement: 'return this.#heldUntil > 0 ||',
  },
  {
    name: 'the line takes a new token each time that it asks',
    file: 'api/acquire.ts',
    text: 'place?.token ?? newToken()',
    replacement: 'newToken()',
  },
  {
    name: 'the line that empties keeps its place',
    file: 'line/line.ts',
    text: '    this.#place?.giveUp();\n',
    replacement: '',
  },
  {
    name: 'a token is used again although its fate is in doubt',
    file: 'api/acquire.ts',
    text: 'claim.requests.length === 1 && patience',
    replacement: 'patience',
  },
  {
    name: 'patience without a watch',
    file: 'line/lookout.ts',
    text: 'return this.#watch.isOpen ? longestRest / restShare : undefined;',
    replacement: 'return longestRest / restShare;',
  },
  {
    name: 'whoever is behind the next does not look after it',
    file: 'line/lookout.ts',
    text: 'else this.#wakeWithin(after);',
    replacement: '',
  },
  {
    name: 'news that comes while the head asks is lost',
    file: 'line/lookout.ts',
    text: 'Math.min(this.#longestRest(keptFor), retryAfter, woken)',
    replacement: 'Math.min(this.#longestRest(keptFor), retryAfter, woken + 5_000)',
  },
  {
    name: 'the line rests for longer than its place is kept',
    file: 'line/lookout.ts',
    text: 'return spread(keptFor * restShare);',
    replacement: 'return 2 * keptFor;',
  },
  {
    name: 'the watch of a line that went stays open',
    file: 'line/lookout.ts',
    text: 'if (comesAgain) this.#watch.later(close);',
    replacement: 'if (comesAgain) onLeft();',
  },
  {
    name: 'a turn has no end',
    file: 'line/turn.ts',
    text: 'clock.monotonic() < this.#end && this.#leases < most',
    replacement: 'clock.monotonic() < Infinity',
  },
  {
    name: 'an heir does not ask',
    file: 'line/line.ts',
    text: '      this.#place = { token, keptFor: 0, giveUp };\n',
    replacement: '      void giveUp;\n      return token;\n',
  },
  {
    name: 'the place is lost when the line asks behind a release',
    file: 'line/line.ts',
    text: "this.#place = 'granted' in outcome ? outcome.place : undefined;",
    replacement: 'this.#place = undefined;',
  },
  {
    name: 'a body is done although its lease was lost',
    file: 'api/locked.ts',
    text: 'if (!ours) throw lease.signal.reason;',
    replacement: 'void ours;',
  },
  {
    name: 'a done period is not recorded',
    file: 'api/once.ts',
    text: '  await record(lease, done);\n',
    replacement: '  void record;\n',
  },
];

/** Those whose name contains the first argument; without one, all. */
const mutants = all.filter(({ name }) => name.includes(process.argv[2] ?? ''));
const width = Math.max(...mutants.map(({ name }) => name.length));
let survivors = 0;
for (const { name, ...mutation } of mutants) {
  const { runs: needed, error } = await simulate(await compileCore([mutation]), {
    runs: Number(runs),
    seed: Number(seed),
    hasty: true,
  });
  const caught = error instanceof Violation ? error.promise : error && `${error}`.split('\n')[0];
  if (!error) survivors += 1;
  console.log(`${name.padEnd(width)}  ${`${needed}`.padStart(6)}  ${caught ?? 'SURVIVED'}`);
}
console.log(`${mutants.length - survivors} of ${mutants.length} mutants caught`);
if (survivors > 0) process.exitCode = 1;
