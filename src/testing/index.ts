/**
 * The conformance suite: what any store must show, as tests of `node:test`. A store that passes can
 * be trusted by the core; one that cannot pass a case declares it, with the reason.
 *
 * @module dlock-js/testing
 */
import { after, before, describe, test } from 'node:test';
import { basics } from './basics.js';
import { expiry } from './expiry.js';
import { extension } from './extension.js';
import type { Case, StoreFixture, StoreUnderTest } from './fixture.js';
import { inTurn } from './in-turn.js';
import { jobs } from './jobs.js';
import { loss } from './loss.js';
import { names } from './names.js';
import { waiting } from './waiting.js';

export type { StoreFixture, StoreUnderTest } from './fixture.js';

const chapters: Record<string, Case[]> = {
  Basics: basics,
  'Names and arguments': names,
  'Expiry and deadline': expiry,
  'Extension and renewal': extension,
  Loss: loss,
  Waiting: waiting,
  'In turn': inTurn,
  Jobs: jobs,
};

/**
 * Declares the tests of one store; call it at the top of a test file. A case that has not ended after
 * a minute fails.
 *
 * ```ts
 * testStore({ name: 'OwnStore', create: () => ({ store: new OwnStore() }), watch: false });
 * ```
 *
 * @throws RangeError if `skip` names a case that there is not.
 */
export function testStore(subject: StoreUnderTest): void {
  const { name, create, skip = {}, step = 1, fence = true, watch = true, queue = false } = subject;
  const unknown = new Set(Object.keys(skip));
  describe(name, () => {
    let fixture: StoreFixture;
    // No timer of a lease keeps a process alive; while cases wait for one, this does.
    const alive = setInterval(() => {}, 60_000);
    before(async () => {
      fixture = await create();
    });
    after(async () => {
      clearInterval(alive);
      await fixture?.close?.();
    });

    for (const [chapter, cases] of Object.entries(chapters)) {
      // A loss is told in time, which a case that blocks the event loop would disturb for others.
      describe(chapter, { concurrency: cases !== loss }, () => {
        for (const { title, run } of cases) {
          unknown.delete(title);
          const reason = cases === inTurn && !queue && 'it keeps no queue';
          test(title, { skip: skip[title] ?? reason, timeout: 60_000 }, async () => {
            const { store, other = store } = fixture;
            await run({ store, other, step, fence, watch, lock: uniqueName(title) });
          });
        }
      });
    }
    if (unknown.size > 0)
      throw new RangeError(`There are no such cases: ${[...unknown].join('; ')}`);
  });
}

let count = 0;

/** Cases run side by side, and a server may have seen earlier runs. */
function uniqueName(title: string): string {
  count += 1;
  return `${title} ${process.pid}.${Date.now()}.${count}`;
}
