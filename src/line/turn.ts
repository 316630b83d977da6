/**
 * The turns of a line at a lock for which other processes wait: its place in the queue of the store, if
 * that keeps one, and how many of the line are served in one turn.
 */
import { newClaim } from '../asking/ask.js';
import { defaults } from '../asking/terms.js';
import { newToken } from '../asking/token.js';
import { undo } from '../asking/undo.js';
import { clock } from '../base/clock.js';
import type { Lock } from '../lease/registry.js';

/** A place in the queue of the store. */
export interface Place {
  /** By which the store knows it. */
  readonly token: string;
  /** For how long, in milliseconds, unless the store is asked again. */
  readonly keptFor: number;
  /** In the background. */
  giveUp(): void;
}

/** A turn ends after this time, in milliseconds, and after so many leases. */
const longest = 25;
const most = 10;

export class Turn {
  readonly #lock: Lock;
  #place: Place | undefined;
  /** When the turn ends at the latest, by the monotonic clock, and how many leases it has given so far. */
  #end = -Infinity;
  #leases = 0;
  #isPassed = false;

  constructor(lock: Lock) {
    this.#lock = lock;
  }

  get place(): Place | undefined {
    return this.#place;
  }

  /** Whether news about a token may be for this line: news may overtake the answer that tells of a place. */
  mayHave(token: string): boolean {
    return !this.#place || token === this.#place.token;
  }

  /** The lock is being passed on within the line: it stays here, and nobody else goes first. */
  get isPassed(): boolean {
    return this.#isPassed;
  }

  granted(): void {
    this.#place = undefined;
    if (!this.#isPassed) {
      this.#end = clock.monotonic() + longest;
      this.#leases = 0;
    }
    this.#isPassed = false;
    this.#leases += 1;
  }

  /** @param place undefined: there is none, or it was given up, since its token is in doubt. */
  refused(place?: Place): void {
    this.#place = place;
    this.#isPassed = false;
  }

  /**
   * Passes the lock on within the line, if the turn goes on.
   *
   * @param patience what the store may count on, if it keeps a queue.
   * @returns the token by which the next of this line asks then.
   */
  pass(patience: number | undefined): string | undefined {
    this.#isPassed = clock.monotonic() < this.#end && this.#leases < most;
    if (!this.#isPassed || patience === undefined) return undefined;
    this.#place ??= this.#placeOfHeir(patience);
    return this.#place.token;
  }

  end(): void {
    this.#place?.giveUp();
    this.#place = undefined;
  }

  #placeOfHeir(patience: number): Place {
    const { store, name } = this.#lock;
    const token = newToken();
    const terms = { ttl: patience, timeout: store.timeout ?? defaults.timeout };
    const giveUp = () => void undo(newClaim(store, name, token, terms));
    return { token, keptFor: 0, giveUp };
  }
}
