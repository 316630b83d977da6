/** Adoptions whose outcome is unknown: whoever tries the same ticket again must reckon with what may still come. */
import type { Claim } from '../asking/ask.js';
import { type ExtensionInDoubt, stillInDoubt } from '../base/doubt.js';
import { Registry } from './registry.js';

const failed = new Registry<readonly Claim[]>();

export function adoptionFailed(claim: Claim): void {
  const others = (failed.get(claim) ?? []).filter(({ doubts }) => stillInDoubt(doubts).length > 0);
  failed.set(claim, [...others, claim]);
}

/** What earlier attempts of this process may still do to the life of the lease. */
export function adoptionsInDoubt(claim: Claim): ExtensionInDoubt[] {
  const sameTicket = (failed.get(claim) ?? []).filter(({ token }) => token === claim.token);
  return sameTicket.flatMap(({ doubts }) => stillInDoubt(doubts));
}
