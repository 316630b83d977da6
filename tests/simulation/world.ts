/** True time, which no process sees, and everything that is going to happen in it. */

export interface Happening {
  readonly at: number;
  /** Undefined once called off. */
  run: (() => void) | undefined;
}

export class World {
  #now = 0;
  /** The soonest last; of those at one time, the one that was planned first. */
  readonly #agenda: Happening[] = [];
  /** The kinds of things that came about, for the statistics. */
  readonly occurred = new Set<string>();
  readonly #narrate: ((line: string) => void) | undefined;

  constructor(narrate?: (line: string) => void) {
    this.#narrate = narrate;
  }

  /** In milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** Whether something is still going to happen. */
  get busy(): boolean {
    while (this.#agenda.length > 0 && !this.#agenda.at(-1)?.run) this.#agenda.pop();
    return this.#agenda.length > 0;
  }

  at(time: number, run: () => void): Happening {
    const happening = { at: Math.max(time, this.#now), run };
    let place = this.#agenda.length;
    while (place > 0 && (this.#agenda[place - 1] as Happening).at <= happening.at) place -= 1;
    this.#agenda.splice(place, 0, happening);
    return happening;
  }

  in(ms: number, run: () => void): Happening {
    return this.at(this.#now + ms, run);
  }

  /** Lets time pass until the next thing happens, and what waits for it go on. */
  async proceed(): Promise<void> {
    const next = this.busy ? this.#agenda.pop() : undefined;
    if (!next?.run) return;
    this.#now = next.at;
    next.run();
    await new Promise(setImmediate);
  }

  /** Says what happens, in the words of whoever reads a failing run. */
  tell(kind: string, who: string, details: () => string = () => ''): void {
    this.occurred.add(kind);
    this.#narrate?.(`${this.#now.toFixed(1).padStart(9)}  ${who.padEnd(6)} ${kind} ${details()}`);
  }
}

/** Random numbers that a seed repeats (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
