/** A little chaos on each store: `npm run chaos` lets it go on for longer. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { mostAtOnce } from './history.js';
import { type Plan, type Run, run } from './machine.js';
import { chaos, together } from './plans.js';
import { type StoreKind, storeKinds } from './stores.js';

describe('a little chaos', { concurrency: 2 }, () => {
  for (const [name, kind] of Object.entries(storeKinds)) {
    test(`${name}: no two valid leases overlap, fences are in order, and nothing is left`, async () => {
      await assertKept(kind, chaos);
    });
  }

  for (const [name, kind] of Object.entries(storeKinds)) {
    if (!kind.limits) continue;
    test(`${name}: nobody is alone beside another, and no limit is exceeded`, async () => {
      const { history } = await assertKept(kind, together);
      assert.ok(mostAtOnce(history) > 1, 'nobody has held a lock beside another');
    });
  }
});

async function assertKept(kind: StoreKind, plan: Plan): Promise<Run> {
  const outcome = await run(kind, plan, () => delay(20_000));
  const { history, faults, violations, mishaps, journals } = outcome;
  const hint = journals ? `the journals are in ${journals}` : undefined;
  assert.deepEqual([...violations, ...mishaps], [], hint);
  assert.ok(history.counts.granted > 10, `${history.counts.granted} leases`);
  assert.ok(faults.length >= 5, `${faults.length} faults`);
  return outcome;
}
