/** A question to the members of a quorum, and their answers as they come in. */
import { clock } from '../../base/clock.js';
import { reasonOf } from '../../base/errors.js';

export class Poll<Voter, Answer> {
  readonly #majority: number;
  readonly #isYes: (answer: Answer) => boolean;
  /** Undefined: asked, and not answered yet. */
  readonly #results = new Map<Voter, PromiseSettledResult<Answer> | undefined>();
  #onResult = () => {};

  constructor(majority: number, isYes: (answer: Answer) => boolean) {
    this.#majority = majority;
    this.#isYes = isYes;
  }

  /** Asks; who was asked before answers anew. */
  ask(voters: Voter[], question: (voter: Voter) => Promise<Answer>): void {
    for (const voter of voters) {
      const note = (result: PromiseSettledResult<Answer>) => {
        this.#results.set(voter, result);
        this.#onResult();
      };
      this.#results.set(voter, undefined);
      question(voter).then(
        (value) => note({ status: 'fulfilled', value }),
        (reason) => note({ status: 'rejected', reason }),
      );
    }
  }

  /** Who said yes. */
  get yes(): Voter[] {
    return this.#voters((result) => this.#isYes(result));
  }

  /** Who said no. */
  get no(): Voter[] {
    return this.#voters((result) => !this.#isYes(result));
  }

  /** What was answered: neither failures nor what is still to come. */
  get answers(): Answer[] {
    return [...this.#results.values()].flatMap((result) =>
      result?.status === 'fulfilled' ? [result.value] : [],
    );
  }

  /** A majority said yes. */
  get isWon(): boolean {
    return this.yes.length >= this.#majority;
  }

  /** So many said no that there can be no majority for yes, whatever the others say. */
  get isLost(): boolean {
    return this.no.length > this.#results.size - this.#majority;
  }

  /** So many failed that there can be no majority of answers. */
  get isFailed(): boolean {
    const failed = [...this.#results.values()].filter((result) => result?.status === 'rejected');
    return failed.length > this.#results.size - this.#majority;
  }

  /** Nothing is still to come. */
  get isComplete(): boolean {
    return ![...this.#results.values()].includes(undefined);
  }

  /** Resolves when `condition` holds, or nothing is still to come, or after `ms` milliseconds. */
  until(condition: () => boolean, ms = Infinity): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms < Infinity ? clock.setTimer(resolve, ms) : undefined;
      this.#onResult = () => {
        if (!condition() && !this.isComplete) return;
        clock.clearTimer(timer);
        resolve();
      };
      this.#onResult();
    });
  }

  /** What each of them said, where that decides nothing. */
  undecided(): AggregateError {
    const results = [...this.#results.values()];
    const said = results.map((result, index) => `store ${index + 1}: ${this.#said(result)}`);
    const reasons = results.flatMap((result) =>
      result?.status === 'rejected' ? [result.reason] : [],
    );
    return new AggregateError(reasons, `there is no majority (${said.join('; ')})`);
  }

  #said(result: PromiseSettledResult<Answer> | undefined): string {
    if (!result) return 'nothing yet';
    if (result.status === 'fulfilled') return this.#isYes(result.value) ? 'yes' : 'no';
    return reasonOf(result.reason);
  }

  #voters(counts: (answer: Answer) => boolean): Voter[] {
    return [...this.#results].flatMap(([voter, result]) =>
      result?.status === 'fulfilled' && counts(result.value) ? [voter] : [],
    );
  }
}
