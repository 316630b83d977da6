/** Who holds a lock of the simulated store: the rule of src/store.ts, told once more. */

export interface Holder {
  readonly token: string;
  readonly fence: number;
  /** How many may hold the lock at once, as whoever asked had it: 1, nobody else. */
  readonly limit: number;
  /** Of its life, in true time. */
  end: number;
  /** The lock is but promised to the token, until that asks. */
  readonly isPromise?: boolean;
  /** It is promised to a token of the process that released it. */
  readonly isHeirs?: boolean;
}

export class SimulatedHolders {
  /** By token; those too whose life has ended, until somebody takes the lock. */
  readonly all = new Map<string, Holder>();

  living(now: number): Holder[] {
    return [...this.all.values()].filter(({ end }) => end > now);
  }

  find(token: string, now: number): Holder | undefined {
    const holder = this.all.get(token);
    return holder && holder.end > now ? holder : undefined;
  }

  /** Whether a token may hold the lock beside all the others: fewer than its limit do, and none alone. */
  admit(token: string, limit: number, now: number): boolean {
    const others = this.living(now).filter((holder) => holder.token !== token);
    return others.length < limit && others.every((holder) => holder.limit > 1);
  }

  add(holder: Holder, now: number): void {
    for (const [token, { end }] of this.all) if (end <= now) this.all.delete(token);
    this.all.set(holder.token, holder);
  }

  /** How long until somebody else may hold the lock: all of them gone, or the first. */
  lifeFor(limit: number, now: number): number | undefined {
    const lives = this.living(now).map(({ end }) => end - now);
    if (lives.length === 0) return undefined;
    return limit === 1 ? Math.max(...lives) : Math.min(...lives);
  }
}
