/** What must hold of the order between processes, while nothing befalls them. */
import type { Holder } from './holders.js';
import type { SimulatedProcess } from './process.js';
import { lock, type SimulatedServer, type Turn } from './server.js';
import type { Call } from './tenure.js';
import type { Fate } from './wire.js';
import type { World } from './world.js';

/** A message that takes longer than this, in milliseconds, may come too late for a turn. */
const prompt = 200;
/** Whoever is promised the lock, and is called, takes it within this time, in milliseconds. */
const promptTurn = 300;
/** How long after the end of a promise the one behind the next may take, in milliseconds. */
const relief = 600;

/** A head that is called rests for no longer than this, in milliseconds, and its place is kept for longer. */
const longestRest = 5_000;

/** A process may pass the lock on within its line for no longer than this, in milliseconds, messages included. */
const longestTurn = 100;

/** A process that waits, and how often each other was served since then. */
type Overtakers = Map<SimulatedProcess, number>;

/** Since when the lock is promised to a token, and who stood behind it. */
interface Promised {
  readonly behind: string | undefined;
  readonly since: number;
}

/** Who stands where, and whom to tell of what must not be. */
interface Knowledge {
  processOf(token: string): SimulatedProcess | undefined;
  /** The first in the line of a process. */
  headOf(process: SimulatedProcess): Call | undefined;
  must(holds: boolean, promise: string, details: string): void;
}

export class Turns {
  readonly #world: World;
  readonly #server: SimulatedServer;
  readonly #processOf: Knowledge['processOf'];
  readonly #headOf: Knowledge['headOf'];
  readonly #must: Knowledge['must'];
  /** Since when nothing befalls a process: may be in the future. */
  readonly #quietSince = new Map<SimulatedProcess, number>();
  readonly #waiting = new Map<SimulatedProcess, Overtakers>();
  /** Since when each is the head of its line. */
  readonly #heads = new WeakMap<Call, number>();
  #counted = 0;
  readonly #promised = new Map<Holder, Promised>();

  constructor(world: World, server: SimulatedServer, { processOf, headOf, must }: Knowledge) {
    this.#world = world;
    this.#server = server;
    this.#processOf = processOf;
    this.#headOf = headOf;
    this.#must = must;
  }

  disturbed(process: SimulatedProcess, ms = 0): void {
    const until = this.#world.now + ms + prompt;
    this.#quietSince.set(process, Math.max(until, this.#quietSince.get(process) ?? 0));
    this.#waiting.delete(process);
  }

  /** What befalls a message of the process, which reaches the store within `ms`. */
  befallen(process: SimulatedProcess, fate: Fate, ms: number): void {
    const times = Object.values(fate).filter((value) => typeof value === 'number');
    const slowest = Math.max(ms, ...times);
    if (fate.kind !== 'delivered') this.disturbed(process, slowest + 2_000);
    else if (slowest > prompt / 4) this.disturbed(process, 2 * slowest);
  }

  check(): void {
    this.#checkPlaces();
    this.#checkHeads();
    this.#checkPromises();
    this.#checkOrder();
  }

  /** Called when nothing moves any more. */
  finish(): void {
    for (const { token, kept } of this.#server.queueOf(lock).places) {
      const process = this.#processOf(token);
      const isLeft = process?.alive === true && kept > this.#world.now;
      this.#must(!isLeft, 'no place is left behind', `${token.slice(0, 4)} of ${process?.name}`);
    }
  }

  #isQuiet(process: SimulatedProcess | undefined, since: number): process is SimulatedProcess {
    if (!process?.alive || !process.awake) return false;
    return (this.#quietSince.get(process) ?? 0) <= since;
  }

  /** Whoever waits asks again before its place lapses. */
  #checkPlaces(): void {
    const { now } = this.#world;
    for (const { token, kept } of this.#server.queueOf(lock).places) {
      const process = this.#processOf(token);
      const isLost = kept < now && this.#isQuiet(process, kept - longestRest);
      this.#must(!isLost, 'a place is kept', `${token.slice(0, 4)} of ${process?.name}`);
    }
  }

  /** The place of a line is for its head, which may want the lock with another limit than the one before. */
  #checkHeads(): void {
    const { now } = this.#world;
    for (const { token, limit } of this.#server.queueOf(lock).places) {
      const process = this.#processOf(token);
      const head = process && this.#headOf(process);
      if (!head) continue;
      const since = this.#heads.get(head) ?? now;
      this.#heads.set(head, since);
      const isOld = limit !== head.limit && now > since + promptTurn;
      const isWrong = isOld && this.#isQuiet(process, since);
      this.#must(!isWrong, 'a place has the limit of its head', `${limit}, not ${head.limit}`);
    }
  }

  /** Nobody who waits is overtaken by the same process: that had been before it once, but not twice. */
  #checkOrder(): void {
    const { turns } = this.#server;
    const { now } = this.#world;
    const placed = new Set(
      [...this.#server.queueOf(lock).places, ...this.#promised.keys()].map(({ token }) =>
        this.#processOf(token),
      ),
    );
    for (const process of this.#waiting.keys()) {
      if (!placed.has(process)) this.#waiting.delete(process);
    }
    for (; this.#counted < turns.length; this.#counted++) {
      const { token, limit } = turns[this.#counted] as Turn;
      const served = this.#processOf(token);
      for (const [process, overtakers] of this.#waiting) {
        if (!served || served === process || this.#isRoomier(limit, process)) continue;
        const times = (overtakers.get(served) ?? 0) + 1;
        overtakers.set(served, times);
        const details = `${process.name} was overtaken by ${served.name}`;
        this.#must(times < 2, 'who waits is served in turn', details);
      }
    }
    for (const process of placed) {
      if (this.#isQuiet(process, now) && !this.#waiting.has(process)) {
        this.#waiting.set(process, new Map());
      }
    }
  }

  /** Whoever shares the lock with more may find room where a process with a smaller limit does not. */
  #isRoomier(limit: number, process: SimulatedProcess): boolean {
    const { limit: own = 1 } = this.#headOf(process) ?? {};
    return own > 1 && limit > own;
  }

  #checkTurn(heir: string): void {
    const { turnSince } = this.#server;
    const process = this.#processOf(heir);
    const lasted = this.#world.now - turnSince;
    const isEndless = lasted > longestTurn && this.#isQuiet(process, turnSince);
    this.#must(!isEndless, 'a turn ends', `${process?.name}, after ${lasted} ms`);
  }

  #checkPromises(): void {
    const { all } = this.#server.holdersOf(lock);
    for (const holder of all.values()) {
      if (holder.isPromise && !this.#promised.has(holder)) this.#notePromise(holder);
    }
    for (const [holder, promised] of this.#promised) {
      if (all.get(holder.token) !== holder) this.#promised.delete(holder);
      else this.#checkTaken(holder, promised);
    }
  }

  #notePromise(holder: Holder): void {
    const { now } = this.#world;
    const { token, end, isHeirs } = holder;
    const behind = this.#server.queueOf(lock).places[0]?.token;
    this.#promised.set(holder, { behind, since: now });
    if (isHeirs) this.#checkTurn(token);
    this.#must(end <= now + 1_000, 'a promise ends', `${token.slice(0, 4)}, at ${end}`);
  }

  /** Nobody has taken yet what was promised: that must not last, and whoever is behind looks after it. */
  #checkTaken({ token, end }: Holder, { behind, since }: Promised): void {
    const { now } = this.#world;
    const next = this.#processOf(token);
    const isMissed = now > since + promptTurn && this.#isQuiet(next, since);
    const missed = `${token.slice(0, 4)} of ${next?.name} was promised the lock at ${since}`;
    this.#must(!isMissed, 'the next takes its turn', missed);
    const second = behind ? this.#processOf(behind) : undefined;
    const waits = this.#server.queueOf(lock).places[0]?.token === behind;
    const isFree = this.#server.holdersOf(lock).living(now).length === 0;
    const isIdle = isFree && waits && this.#isQuiet(second, since) && now > end + relief;
    const details = `${second?.name}, ${now - end} ms after the end of a promise`;
    this.#must(!isIdle, 'the one behind the next looks after it', details);
  }
}
