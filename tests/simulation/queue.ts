/** The queue of the simulated store: the rules of stores/places.ts, told once more. */
import type { News } from '../../src/store.js';

interface Place {
  readonly token: string;
  readonly call: (news: News) => boolean;
  /** Until when it is kept, in true time. */
  kept: number;
}

/** After how many milliseconds those behind the next are to ask, should nothing happen. */
const alarms = [1_050, 2_050];

export class SimulatedQueue {
  readonly places: Place[] = [];

  /** Takes the last place, unless the token has one already. */
  stand(
    { token, call }: Omit<Place, 'kept'>,
    patience: number,
    now: number,
  ): { ahead: number; keptFor: number } {
    this.#purge(now);
    let ahead = this.places.findIndex((place) => place.token === token);
    if (ahead < 0) ahead = this.places.push({ token, call, kept: 0 }) - 1;
    const keptFor = patience * Math.max(1, ahead);
    (this.places[ahead] as Place).kept = now + keptFor;
    return { ahead, keptFor };
  }

  leave(token: string): void {
    const index = this.places.findIndex((place) => place.token === token);
    if (index >= 0) this.places.splice(index, 1);
  }

  /** Calls the first who can be reached, and answers the token; those behind are to look after it. */
  call(now: number): string | undefined {
    this.#purge(now);
    for (let next = this.places.shift(); next; next = this.places.shift()) {
      if (!next.call({})) continue;
      for (const [index, after] of alarms.entries()) this.places[index]?.call({ after });
      return next.token;
    }
    return undefined;
  }

  #purge(now: number): void {
    while (this.places[0] && this.places[0].kept <= now) this.places.shift();
  }
}
