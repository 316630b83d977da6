/** The shape that all measures share. */
import type { Addresses, Session } from '../contestants/contestant.js';
import type { Table } from '../table.js';

export interface Measure {
  readonly title: string;
  run(bench: Bench): Promise<Result>;
  /** What its worker processes can be asked to do; answers travel between processes. */
  readonly tasks: { readonly [task: string]: Task };
}

export interface Result {
  readonly tables: readonly Table[];
  readonly figures?: readonly Figure[];
}

/** A picture that lies beside the results. */
export interface Figure {
  readonly file: string;
  readonly caption: string;
  readonly svg: string;
}

// biome-ignore lint/suspicious/noExplicitAny: each task has parameters of its own
export type Task = (session: Session, parameters: any) => Promise<unknown>;

/** What a measure is given. */
export interface Bench {
  readonly addresses: Addresses;
  /** Says what is going on, on stderr. */
  progress(text: string): void;
}

/** Calls back for each item in each round, every round beginning elsewhere: none is always first. */
export async function interleave<T>(
  items: readonly T[],
  rounds: number,
  run: (item: T, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < items.length; i++) {
      await run(items[(i + round) % items.length] as T, round);
    }
  }
}
