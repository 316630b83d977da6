/** The queue of the simulated store: the rules of stores/places.ts, told once more. */
import type { News } from '../../src/store.js';

interface Place {
  readonly token: string;
  readonly call: (news: News) => boolean;
  /** How many may hold the lock at once, as whoever stands there has it now. */
  limit: number;
  /** Until when it is kept, in true time. */
  kept: number;
}

/** After how many milliseconds those behind the next are to ask, should nothing happen. */
const alarms = [1_050, 2_050];

export class SimulatedQueue {
  readonly places: Place[] = [];

  /** The first whose place is still kept. */
  first(now: number): Place | undefined {
    while (this.places[0] && this.places[0].kept <= now) this.places.shift();
    return this.places[0];
  }

  /** Takes the last place, unless the token has one already. */
  stand(
    { token, call, limit }: Omit<Place, 'kept'>,
    patience: number,
    now: number,
  ): { ahead: number; keptFor: number } {
    this.first(now);
    let ahead = this.places.findIndex((place) => place.token === token);
    if (ahead < 0) ahead = this.places.push({ token, call, limit, kept: 0 }) - 1;
    const keptFor = patience * Math.max(1, ahead);
    Object.assign(this.places[ahead] as Place, { limit, kept: now + keptFor });
    return { ahead, keptFor };
  }

  /** Takes the first place again, which a promise was to end. */
  standFirst(place: Place): void {
    this.places.unshift(place);
  }

  leave(token: string): void {
    const index = this.places.findIndex((place) => place.token === token);
    if (index >= 0) this.places.splice(index, 1);
  }

  /** Those at the front are to look after the one who was before them. */
  alarm(): void {
    for (const [index, after] of alarms.entries()) this.places[index]?.call({ after });
  }
}
