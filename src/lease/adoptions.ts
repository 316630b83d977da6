/** Adoptions whose outcome is unknown: a second attempt with the same ticket must reckon with what may still come. */
import type { Claim } from '../asking/ask.js';
import { idlePause } from '../base/clock.js';
import { outsideCallers } from '../base/context.js';
import { type ExtensionInDoubt, stillInDoubt } from '../base/doubt.js';
import { Registry } from './registry.js';

const failed = new Registry<Set<Claim>>();

export function adoptionFailed(claim: Claim): void {
  const ofLock = failed.get(claim) ?? new Set();
  failed.set(claim, ofLock.add(claim));
  void outsideCallers(() => forgetOnceOver(claim, ofLock));
}

async function forgetOnceOver(claim: Claim, ofLock: Set<Claim>): Promise<void> {
  while (stillInDoubt(claim.doubts).length > 0) await idlePause(claim.timeout);
  ofLock.delete(claim);
  if (ofLock.size === 0) failed.delete(claim, ofLock);
}

/** What earlier attempts of this process may still do to the life of the lease. */
export function adoptionsInDoubt(claim: Claim): ExtensionInDoubt[] {
  const sameTicket = [...(failed.get(claim) ?? [])].filter(({ token }) => token === claim.token);
  return sameTicket.flatMap(({ doubts }) => stillInDoubt(doubts));
}
