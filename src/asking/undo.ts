/** Taking back an acquire that nobody waits for any more: no path may leave an orphan behind. */

import { clock, idlePause } from '../base/clock.js';
import { askToRelease, type Claim } from './ask.js';
import { inBackground } from './background.js';

/**
 * Gives back, in the background, what a claim may have got or may still get: its requests failed,
 * were given up, or one of them may be carried out late.
 *
 * A release follows the doubtful acquire at once, and again with growing pauses, since it too can
 * fail, or overtake the acquire on another connection. An answer to it is final when it was asked
 * for after every acquire had its own answer, or `timeout` after the last of them failed. It stops
 * in any case a ttl after that: then the store has forgotten the token by itself, and its place in a
 * queue after the patience. A client
 * may hold an acquire back for longer (while it is offline, say); then all starts again when it
 * comes to an end.
 *
 * @param after in how many milliseconds it begins: the lock is to stay taken until then.
 */
export function undo(claim: Claim, after = 0): Promise<void> {
  return inBackground(claim.store, takeBack(claim, after));
}

async function takeBack(claim: Claim, after: number): Promise<void> {
  if (after > 0) await idlePause(after);
  const life = Math.max(claim.ttl, claim.patience ?? 0);
  let settledFor = Infinity;
  let wait = 50;
  const settled = Promise.allSettled(claim.requests).then((outcomes) => {
    const doubt = outcomes.some(({ status }) => status === 'rejected');
    settledFor = clock.monotonic() + (doubt ? claim.timeout : 0);
    wait = 50;
  });

  const giveBack = async () => {
    const begun = clock.monotonic();
    for (wait = 50; ; wait *= 2) {
      const asked = clock.monotonic();
      const answered = await askToRelease(claim, wait).then(
        () => true,
        () => false,
      );
      const lastGrant = settledFor < Infinity ? settledFor : begun;
      if ((answered && asked >= settledFor) || clock.monotonic() >= lastGrant + life) return;
      const rest = idlePause(wait * (0.75 + Math.random() / 2));
      await (settledFor < Infinity ? rest : Promise.race([rest, settled]));
    }
  };

  await giveBack();
  if (settledFor < Infinity) return;
  await settled;
  await giveBack();
}
