/** One run: plays a script in a world of its own, and watches over every step. */
import { Caller } from './caller.js';
import { Connection } from './connection.js';
import type { compileCore } from './core.js';
import { lapse } from './hands.js';
import { Judge } from './invariants.js';
import { SimulatedProcess } from './process.js';
import type { Action, ProcessTraits, Restart, Script, Step } from './script.js';
import { lock, SimulatedServer } from './server.js';
import { Servers } from './servers.js';
import { must, Violation } from './violation.js';
import type { Fate } from './wire.js';
import { randomFrom, World } from './world.js';

export type MakeCore = Awaited<ReturnType<typeof compileCore>>;

/** After so many steps a run that has not come to rest never will. */
const endless = 100_000;

/** Throws the violation that it finds, or answers what kinds of things occurred. */
export async function play(
  makeCore: MakeCore,
  script: Script,
  narrate?: (line: string) => void,
): Promise<ReadonlySet<string>> {
  const run = new Run(makeCore, script, narrate);
  const onRejection = (reason: unknown) =>
    run.fail(new Violation('no unhandled rejection', String(reason)));
  process.on('unhandledRejection', onRejection);
  try {
    return await run.play();
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

/** A place for a process; one that is killed is replaced by a new one. */
interface Seat {
  readonly traits: ProcessTraits;
  readonly fates: Iterator<Fate>;
  process: SimulatedProcess;
  connection: Connection;
  caller: Caller;
}

class Run {
  readonly #world: World;
  readonly #servers: Servers;
  readonly #judge: Judge;
  readonly #seats: Seat[];
  readonly #script: Script;
  readonly #makeCore: MakeCore;
  readonly #random: () => number;
  #failure: unknown;
  #processes = 0;
  #ending = false;

  constructor(makeCore: MakeCore, script: Script, narrate?: (line: string) => void) {
    this.#makeCore = makeCore;
    this.#script = script;
    this.#random = randomFrom(script.seed);
    this.#world = new World(narrate);
    const { server, members = 1 } = script;
    const names = Array.from({ length: members }, (_, index) => `s${index}`);
    this.#servers = new Servers(
      names.map((name) => new SimulatedServer(name, this.#world, server)),
    );
    this.#judge = new Judge(this.#world, this.#servers, server.timeout);
    this.#seats = script.processes.map((traits) => {
      const fates = traits.fates.values();
      return { traits, fates, ...this.#start(traits, fates) };
    });
  }

  /** What went wrong where nobody could be told. */
  fail(failure: unknown): void {
    this.#failure ??= failure;
  }

  async play(): Promise<ReadonlySet<string>> {
    let time = 0;
    for (const step of this.#script.steps) {
      time += step.after;
      this.#world.at(time, () => this.#take(step));
    }
    this.#world.at(time, () => this.#heal());
    for (let steps = 0; this.#world.busy; steps++) {
      await this.#world.proceed();
      if (this.#failure) throw this.#failure;
      this.#judge.check();
      if (steps < endless) continue;
      this.#judge.checkSettled();
      must(false, 'nothing is left', 'it does not come to rest');
    }
    const processes = this.#seats.map(({ process }) => process);
    this.#judge.finish(
      processes,
      this.#seats.map(({ connection }) => connection),
    );
    return this.#world.occurred;
  }

  #start(
    traits: ProcessTraits,
    fates: Iterator<Fate>,
  ): Pick<Seat, 'process' | 'connection' | 'caller'> {
    const copy = this.#makeCore({ random: this.#random, warn: () => {} });
    const process = new SimulatedProcess(`p${this.#processes++}`, this.#world, traits.rate, copy);
    const { timeout, wakes } = this.#script.server;
    const connection = new Connection(this.#world, process, this.#servers, fates, this.#judge, {
      timeout,
      wakes,
      ordered: traits.ordered,
    });
    if (this.#ending) connection.heal();
    const fail = (error: unknown) => this.fail(error);
    const caller = new Caller(process, connection, this.#world, this.#servers, this.#judge, fail);
    return { process, connection, caller };
  }

  /** The script is over, and with it all that befalls messages; what was begun comes to its end. */
  #heal(): void {
    this.#ending = true;
    for (const { connection } of this.#seats) connection.heal();
  }

  #take({ process: index, action }: Step): void {
    const seat = this.#seat(index);
    this.#world.tell(action.do, seat.process.name, () => JSON.stringify(action));
    if (!this.#befall(seat, action)) this.#call(seat, action);
  }

  #seat(index: number): Seat {
    return this.#seats[index % this.#seats.length] as Seat;
  }

  /** What happens to a process, whatever it does; false: the action is something that it does. */
  #befall(seat: Seat, action: Action): boolean {
    const { process, connection, traits } = seat;
    switch (action.do) {
      case 'stall':
        this.#judge.disturbed(process, action.ms);
        process.stall(action.ms, action.first);
        return true;
      case 'sleep':
        this.#judge.disturbed(process, action.ms);
        if (traits.sleeps) process.sleep(action.ms, action.first);
        return true;
      case 'set clock':
        process.setWall(traits.sleeps ? Math.abs(action.ms) : action.ms);
        return true;
      case 'cut':
        this.#judge.disturbed(process);
        connection.cut(action.share, action.member);
        return true;
      case 'freeze':
        this.#disturbAll(action.ms);
        this.#servers.at(action.member ?? 0).freeze(action.ms);
        return true;
      case 'restart':
        this.#restart(action);
        return true;
      case 'rob':
        this.#disturbAll();
        if (this.#servers.at(0).rob(action.name ?? lock, action.ttl))
          this.#world.tell('robbed of a key', 'store');
        return true;
      case 'kill':
        process.kill();
        connection.abandon();
        this.#judge.killed(process);
        Object.assign(seat, this.#start(traits, seat.fates));
        return true;
      default:
        return false;
    }
  }

  /** Something befalls the store of all processes. */
  #disturbAll(ms?: number): void {
    for (const { process } of this.#seats) this.#judge.disturbed(process, ms);
  }

  /** Whoever comes back empty has stayed away until no lease counts on its vote any more. */
  #restart({ member, ms, memory }: Restart): void {
    const server = this.#servers.at(member);
    server.restart(memory === 'empty' ? Math.max(ms, longestLife(this.#script)) : ms, memory);
    for (const { connection } of this.#seats) connection.cut(0, member);
    this.#world.tell(`restarted, memory ${memory}`, server.name);
  }

  #call({ caller, process }: Seat, action: Action): void {
    process.do('calls', () => {
      const called = caller.call(action, (index) => this.#seat(index).caller);
      called.catch((error) => this.fail(error));
    });
  }
}

/** The longest that a server may keep a lease, but for what is done in a period. */
function longestLife({ steps, server }: Script): number {
  const lives = steps.map(({ action }) => ('ttl' in action && action.ttl) || lapse);
  return Math.ceil(Math.max(...lives) / server.step) * server.step;
}
