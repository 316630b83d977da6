/**
 * A lock that goes from hand to hand within a process: a release, and the request that comes right behind it,
 * are one statement together, which saves a round trip. Whatever else is asked meanwhile waits for the release,
 * which it might overtake on another connection.
 */

/** Who asks right behind a release. */
export interface Runner {
  readonly token: string;
  readonly ttl: number;
}

/** How a lock changes hands. */
export interface Hands {
  /** Whom it is for; undefined: whoever asks first. */
  readonly heir: string | undefined;
  /** Releases it to the runner, in one step; answers the fence, or undefined: it did not change hands. */
  pass(runner: Runner): Promise<number | undefined>;
  release(): Promise<boolean>;
}

/** A release that is under way. */
class Baton {
  /** Whether the lock was held. */
  readonly released: Promise<boolean>;
  readonly #heir: string | undefined;
  #isOffered = true;
  #runner: Runner | undefined;
  #fence: number | undefined;

  constructor(hands: Hands) {
    this.#heir = hands.heir;
    this.released = this.#carryOut(hands);
  }

  /** Until the end of this turn of the event loop somebody may come. */
  async #carryOut({ pass, release }: Hands): Promise<boolean> {
    await new Promise<void>((resolve) => process.nextTick(resolve));
    this.#isOffered = false;
    this.#fence = this.#runner && (await pass(this.#runner));
    return this.#fence !== undefined || release();
  }

  async take(runner: Runner): Promise<number | undefined> {
    const isMeant = (this.#heir ?? runner.token) === runner.token;
    if (!this.#isOffered || this.#runner || !isMeant) return this.followed();
    this.#runner = runner;
    await this.released;
    return this.#fence;
  }

  async followed(): Promise<undefined> {
    await this.released.catch(() => {});
  }
}

export class Relay {
  /** By the key of the lock. */
  readonly #batons = new Map<string, Baton>();

  /** @returns whether the lock was held. */
  async release(key: string, hands: Hands): Promise<boolean> {
    const baton = new Baton(hands);
    this.#batons.set(key, baton);
    try {
      return await baton.released;
    } finally {
      if (this.#batons.get(key) === baton) this.#batons.delete(key);
    }
  }

  /** The fence, if a release passes the lock to this request; undefined: it has to be asked for. */
  async take(key: string, runner: Runner): Promise<number | undefined> {
    return this.#batons.get(key)?.take(runner);
  }

  /** Resolves once a release that is under way has been carried out, or has failed. */
  async followed(key: string): Promise<void> {
    await this.#batons.get(key)?.followed();
  }
}
