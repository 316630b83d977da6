/** Taking back an acquire that nobody waits for any more. */
import { idlePause } from '../base/clock.js';
import { takeBack } from '../base/take-back.js';
import { askToRelease, type Claim } from './ask.js';
import { inBackground } from './background.js';

/**
 * Gives back, in the background, what a claim may have got or may still get: its requests failed,
 * were given up, or one of them may be carried out late.
 *
 * @param after in how many milliseconds it begins: the lock is to stay taken until then.
 */
export function undo(claim: Claim, after = 0): Promise<void> {
  return inBackground(claim.store, takeBackLater(claim, after));
}

async function takeBackLater(claim: Claim, after: number): Promise<void> {
  if (after > 0) await idlePause(after);
  const { acquires, timeout, patience = 0 } = claim;
  // By then the store has forgotten its place in a queue, too.
  const ttl = Math.max(claim.ttl, patience);
  await takeBack({ acquires, ttl, timeout, release: (limit) => askToRelease(claim, limit) });
}
