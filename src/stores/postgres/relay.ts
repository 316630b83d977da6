/**
 * A lock that goes from hand to hand within a process: a release, and the request that comes right behind it,
 * are one statement together, which saves a round trip. It is sent in the async context of the release. Whatever
 * else is asked meanwhile waits for the release, which it might overtake on another connection.
 */
import { within } from '../../base/time-limit.js';

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
  readonly #timeout: number;
  #over: Promise<unknown> | undefined;
  readonly #heir: string | undefined;
  #isOffered = true;
  #runner: Runner | undefined;
  #fence: number | undefined;

  constructor(hands: Hands, timeout: number) {
    this.#timeout = timeout;
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
    if (this.#isOffered && !this.#runner && isMeant) {
      this.#runner = runner;
      await this.released;
      return this.#fence;
    }
    return this.followed();
  }

  /** Resolves once it is over, however it ends; or takes too long: a connection may be dead without a word. */
  async followed(): Promise<undefined> {
    this.#over ??= within(this.#timeout, 'no answer', this.released, 'idle').catch(() => {});
    await this.#over;
  }
}

export class Relay {
  readonly #timeout: number;
  /** By the key of the lock. */
  readonly #batons = new Map<string, Baton>();

  /** @param timeout how long a release may hold up what comes behind it, in milliseconds. */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** @returns whether the lock was held. */
  async release(key: string, hands: Hands): Promise<boolean> {
    const baton = new Baton(hands, this.#timeout);
    this.#batons.set(key, baton);
    try {
      return await baton.released;
    } finally {
      if (this.#batons.get(key) === baton) this.#batons.delete(key);
    }
  }

  /** The fence, if a release passes the lock to this request; or undefined, if it has to be asked for. */
  take(key: string, runner: Runner): Promise<number | undefined> | undefined {
    return this.#batons.get(key)?.take(runner);
  }

  /** Resolves once there is no release that a request could overtake. */
  async followed(key: string): Promise<void> {
    await this.#batons.get(key)?.followed();
  }
}
