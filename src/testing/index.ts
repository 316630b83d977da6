/**
 * The conformance suite: what any store must prove, as tests of `node:test`. The core can trust a store that
 * passes; a store that cannot pass a case declares it, with the reason.
 *
 * @module dlock-js/testing
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { basics } from './basics.js';
import { connections } from './connections.js';
import { expiry } from './expiry.js';
import { extension } from './extension.js';
import type { Case, Context, StoreFixture, StoreUnderTest } from './fixture.js';
import { inTurn } from './in-turn.js';
import { jobs } from './jobs.js';
import { leading } from './leading.js';
import { blocking, loss } from './loss.js';
import { names } from './names.js';
import { persistence } from './persistence.js';
import { Pulse, steadily } from './pulse.js';
import { repeats } from './repeats.js';
import { type CaseContext, runCase } from './run-case.js';
import { several } from './several.js';
import { together } from './together.js';
import { waiting } from './waiting.js';
import { watching } from './watching.js';

export type { StoreFixture, StoreUnderTest } from './fixture.js';

/** They follow each other, and take hardly any time. */
const quick: Record<string, Case[]> = {
  Basics: basics,
  'Names and arguments': names,
  'A blocked event loop': blocking,
};

/** They wait for lives to end, and do so side by side. */
const lasting: Record<string, Case[]> = {
  'Expiry and deadline': expiry,
  'Extension and renewal': extension,
  'Asked again': repeats,
  'Many connections': connections,
  Loss: loss,
  Waiting: waiting,
  Watching: watching,
  'In turn': inTurn,
  Together: together,
  Jobs: jobs,
  'Several names': several,
  Leading: leading,
};

/** What keeps the locks is restarted, which disturbs all others. */
const disturbing: Record<string, Case[]> = { 'A restart': persistence };

/**
 * Declares the tests of one store; call it at the top of a test file. A case that has not ended after
 * a minute fails. Up to twenty cases run side by side, each with a lock of its own. A case about time that fails
 * while the store takes longer than 0.4 s for a lock begins anew, up to twice, and says so.
 *
 * ```ts
 * testStore({ name: 'OwnStore', create: () => ({ store: new OwnStore() }), watch: false });
 * ```
 *
 * @throws TypeError if `name` or `create` is missing, or for an unknown option.
 * @throws RangeError if `skip` names a case that does not exist, or `cases` is not one of its values.
 */
export function testStore(subject: StoreUnderTest): void {
  checkSubject(subject);
  const { name, create, skip = {}, cases = 'all' } = subject;
  const { step = 1, fence = true, watch = true } = subject;
  const { queue = false, sharing = false, persistent = false } = subject;
  if (cases !== 'all' && cases !== 'essential')
    throw new RangeError(`cases is 'all' or 'essential', not ${JSON.stringify(cases)}`);
  assertKnown(Object.keys(skip));

  describe(name, () => {
    let fixture: StoreFixture;
    let pulse: Pulse | undefined;
    // No timer of a lease keeps a process alive; while cases wait for one, this does.
    const alive = setInterval(() => {}, 60_000);
    before(async () => {
      fixture = await create();
      assert.ok(fixture?.store, '`create` of testStore must return { store }');
    });
    after(async () => {
      clearInterval(alive);
      await fixture?.close?.();
    });
    const declare = (chapters: Record<string, Case[]>, concurrency: number) => {
      for (const [chapter, all] of Object.entries(chapters)) {
        if ((all === inTurn && !queue) || (all === together && !sharing)) continue;
        if (all === persistence && !persistent) continue;
        const chosen = all.filter(
          ({ essential, unlimited }) =>
            (cases === 'all' || essential) &&
            (all !== together || sharing !== 'unlimited' || unlimited),
        );
        if (chosen.length === 0) continue;
        describe(chapter, { concurrency }, () => {
          for (const { title, run } of chosen) {
            test(title, { skip: skip[title] ?? false, timeout: 60_000 }, async (t) => {
              const runOnce = () => runCase(run, contextOf(fixture, { step, fence, watch }, title));
              const again = (error: unknown) =>
                t.diagnostic(`begins anew, since the store stood still: ${error}`);
              await steadily(pulse, runOnce, again);
            });
          }
        });
      }
    };
    test('it shares locks if it is said to, and only then', () => {
      assert.equal(fixture.store.acquireShared !== undefined, sharing !== false, 'sharing');
    });
    declare(quick, 1);
    describe('Lives that end', { concurrency: true }, () => {
      before(() => {
        pulse = new Pulse(fixture.store, uniqueName('pulse'));
      });
      after(async () => {
        await pulse?.stop();
        pulse = undefined;
      });
      declare(lasting, 4);
    });
    declare(disturbing, 1);
  });
}

const knownOptions = Object.keys({
  name: true,
  create: true,
  step: true,
  fence: true,
  watch: true,
  queue: true,
  sharing: true,
  persistent: true,
  skip: true,
  cases: true,
} satisfies Record<keyof StoreUnderTest, true>);

function checkSubject(subject: StoreUnderTest): void {
  const { name, create } = Object(subject) as Partial<StoreUnderTest>;
  if (typeof name !== 'string') throw new TypeError('testStore needs a name');
  if (typeof create !== 'function') throw new TypeError('testStore needs a function `create`');
  const unknown = Object.keys(subject).filter((option) => !knownOptions.includes(option));
  if (unknown.length > 0) {
    throw new TypeError(
      `testStore has no option ${unknown.join(', ')}; it takes ${knownOptions.join(', ')}`,
    );
  }
}

function assertKnown(titles: string[]): void {
  const all = Object.values({ ...quick, ...lasting, ...disturbing }).flat();
  const known = new Set(all.map(({ title }) => title));
  const unknown = titles.filter((title) => !known.has(title));
  if (unknown.length > 0) throw new RangeError(`There are no such cases: ${unknown.join('; ')}`);
}

function contextOf(
  fixture: StoreFixture,
  traits: Pick<Context, 'step' | 'fence' | 'watch'>,
  title: string,
): CaseContext {
  const { store, other = store, others = [] } = fixture;
  const restart = async () => {
    if (!fixture.restart) {
      throw new Error('A store that is persistent needs a `restart` in its fixture');
    }
    // For the cases to come, too.
    fixture.store = await fixture.restart();
    return fixture.store;
  };
  const connections = [store, other, ...others];
  return { ...traits, store, other, connections, restart, lock: uniqueName(title) };
}

let count = 0;

/** Cases run side by side, and a server may have seen earlier runs. */
function uniqueName(title: string): string {
  count += 1;
  return `${title} ${process.pid}.${Date.now()}.${count}`;
}
