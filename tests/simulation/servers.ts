/** The servers that all simulated processes share: one, or the members of a quorum. */
import type { SimulatedServer } from './server.js';

type Entry = SimulatedServer['log'][number];

export class Servers {
  readonly all: readonly SimulatedServer[];
  readonly #majority: number;

  constructor(all: readonly SimulatedServer[]) {
    this.all = all;
    this.#majority = Math.floor(all.length / 2) + 1;
  }

  get isQuorum(): boolean {
    return this.all.length > 1;
  }

  at(index: number): SimulatedServer {
    return this.all[index % this.all.length] as SimulatedServer;
  }

  /** Whether so many servers are what is asked that they decide. */
  most(areSo: (server: SimulatedServer) => boolean): boolean {
    return this.all.filter(areSo).length >= this.#majority;
  }

  /** Whether the lock is held for a token, of those who may be so many. */
  hold(name: string, token: string, limit: number): boolean {
    return this.most((server) => server.holder(name, token)?.limit === limit);
  }

  /** Whether a key was taken away behind the back of a token: nothing is promised to that. */
  robbed(token: string): boolean {
    return this.all.some((server) => server.robbed.has(token));
  }

  /** Whether something that was to last may be gone. */
  get haveForgotten(): boolean {
    return this.all.some((server) => server.robbed.size > 0 || server.restartedEmpty);
  }

  /** A place in the history of requests, from which `most` of them did something `since`. */
  mark(): ReadonlyMap<SimulatedServer, number> {
    return new Map(this.all.map((server) => [server, server.log.length]));
  }

  /** Whether enough of them have carried out since a mark what decides. */
  mostDid(mark: ReadonlyMap<SimulatedServer, number>, isIt: (entry: Entry) => boolean): boolean {
    return this.most((server) => server.log.slice(mark.get(server)).some(isIt));
  }
}
