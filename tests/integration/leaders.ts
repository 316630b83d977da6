/** Processes that want to lead, from the side of the test; and the judge of what they tell. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { eventually } from '../../src/testing/fixture.js';
import { ended, startWorker } from '../support/workers.js';

/** What a process tells: times are milliseconds of the epoch, which all of one machine share. */
export type Told =
  | { event: 'refused' }
  /** A term begins; `bodies`: how many run in this process. */
  | { event: 'begins'; fence: number; bodies: number }
  /** Its lease was valid at that time. */
  | { event: 'leads'; fence: number; at: number }
  /** The body of a term has ended. */
  | { event: 'ends' };

/** A lease, from the first to the last moment at which it is known to have been valid. */
interface Term {
  readonly fence: number;
  readonly from: number;
  until: number;
}

/** The terms of all who want to lead under one name. */
export class Reign {
  readonly #terms: Term[] = [];

  note(fence: number, at: number): void {
    const term = this.#terms.find((term) => term.fence === fence);
    if (term) term.until = at;
    else this.#terms.push({ fence, from: at, until: at });
  }

  /** Asserts that no two leases were valid at the same time, and that fences grow from each to the next. */
  assertApart(terms: number): void {
    const shown = JSON.stringify(this.#terms);
    assert.equal(this.#terms.length, terms, shown);
    const inOrder = this.#terms.toSorted((a, b) => a.from - b.from);
    for (const [index, term] of inOrder.slice(1).entries()) {
      const last = inOrder[index] as Term;
      assert.ok(last.until <= term.from && last.fence < term.fence, shown);
    }
  }
}

/** How long a process may take for anything, in milliseconds: on a busy machine it starts slowly. */
const patience = 60_000;

const file = new URL('./workers/leader.ts', import.meta.url);

/** A process that wants to lead; it ends with the test, however that ends. */
export function startLeader(test: TestContext, reign: Reign, ...args: string[]) {
  const child = startWorker(file, ...args);
  test.after(() => child.kill('SIGKILL'));
  const count = { refused: 0, begins: 0, leads: 0, ends: 0 };
  let mostBodies = 0;
  child.on('message', (told: Told) => {
    count[told.event] += 1;
    if (told.event === 'leads') reign.note(told.fence, told.at);
    if (told.event === 'begins') mostBodies = Math.max(mostBodies, told.bodies);
  });
  return {
    child,
    /** Resolves once it has been refused, and waits. */
    waits: () => eventually('it waits to lead', () => count.refused > 0, patience),
    /** Resolves once it leads, for the nth time, to the milliseconds that this took from now. */
    async leads(nth = 1): Promise<number> {
      const start = performance.now();
      await eventually(`term ${nth} begins`, () => count.begins >= nth, patience);
      return performance.now() - start;
    },
    /** Resolves once its first term is over. */
    ends: () => eventually('its first term is over', () => count.ends > 0, patience),
    /** Lets it resign, and end. */
    async stop(): Promise<void> {
      child.send('stop');
      assert.equal(await ended(child), 0);
      assert.equal(mostBodies, 1, 'never two bodies in one process');
    },
  };
}
