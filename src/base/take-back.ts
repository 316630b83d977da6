/** Taking back what a store may have granted for nobody: no path may leave an orphan behind. */
import { clock, idlePause } from './clock.js';
import type { Doubt } from './doubt.js';
import { growingPauses } from './pauses.js';

/** What is to be taken back, and how. */
export interface Orphan {
  /** The acquires that may have taken it. */
  readonly acquires: Doubt;
  /** After so long the store has forgotten it by itself. */
  readonly ttl: number;
  /** The longest pause between two requests, and the longest wait for an answer. */
  readonly timeout: number;
  /** Asks for the release; rejects if there is no answer within `limit` milliseconds. */
  readonly release: (limit: number) => Promise<unknown>;
}

/** The first pause: long enough for what a release overtook on another connection. */
const shortestPause = 50;

/**
 * Releases until that is certain, in the background: a release follows the acquires at once, and again
 * with growing pauses, since it too can fail, or overtake one of them. An answer to it is final if it
 * was asked for when none of them could be carried out any more. It stops in any case a ttl after
 * that. A client may hold an acquire back for longer than a ttl; then all starts again when that comes
 * to an end.
 */
export async function takeBack({ acquires, ttl, timeout, release }: Orphan): Promise<void> {
  const begun = clock.monotonic();
  const settled = acquires.settled();
  const isAnswered = (limit: number) =>
    release(limit).then(
      () => true,
      () => false,
    );
  const pauses = () => growingPauses(shortestPause, timeout);

  for (const pause of pauses()) {
    if (acquires.end < Infinity || clock.monotonic() >= begun + ttl) break;
    await isAnswered(pause);
    await Promise.race([idlePause(pause), settled]);
  }
  await settled;
  const forgotten = Math.max(begun, acquires.end) + ttl;
  for (const pause of pauses()) {
    const isLast = acquires.isOver;
    const answered = await isAnswered(pause);
    if ((answered && isLast) || clock.monotonic() >= forgotten) return;
    await idlePause(pause);
  }
}
