/**
 * Time as leases see it: two clocks, of which the one that ran further counts. The monotonic clock
 * ignores that somebody sets the time; the wall clock goes on while a machine is suspended. Tests
 * replace both, and the timers, in one place.
 */

/** Where time comes from. All times are in milliseconds. */
export interface Clock {
  /** Never goes back, but may stand still while the machine sleeps. */
  monotonic(): number;
  /** Time since the epoch; may be set forth and back. */
  wall(): number;
  /** Calls back once, after at least `ms` of the monotonic clock; for what somebody waits for. */
  setTimer(callback: () => void, ms: number): unknown;
  /** The same for what goes on in the background: it keeps no process alive. */
  setIdleTimer(callback: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
}

/** The longest delay of a Node.js timer, about 24.8 days; a longer one would fire at once. */
const longestTimer = 2 ** 31 - 1;

const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  setTimer: (callback, ms) => setTimeout(callback, Math.min(ms, longestTimer)),
  setIdleTimer: (callback, ms) => setTimeout(callback, Math.min(ms, longestTimer)).unref(),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

/** The clock in use. */
export let clock = systemClock;

/** Puts another clock in place, for tests; without one, the system's clock again. Alarms are lost. */
export function useClock(replacement: Clock = systemClock): void {
  clock = replacement;
  alarms.clear();
  nextLook = Infinity;
}

/** A point in time, by both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** The moment of what is not to happen. */
export const never: Moment = { monotonic: Infinity, wall: Infinity };

export function now(): Moment {
  return { monotonic: clock.monotonic(), wall: clock.wall() };
}

export function later(moment: Moment, ms: number): Moment {
  return { monotonic: moment.monotonic + ms, wall: moment.wall + ms };
}

/** The moment that each clock reaches first. */
export function earliest(a: Moment, b: Moment): Moment {
  return {
    monotonic: Math.min(a.monotonic, b.monotonic),
    wall: Math.min(a.wall, b.wall),
  };
}

/** Milliseconds until `moment`, by the clock that gets there first; not positive once it is past. */
export function until(moment: Moment): number {
  return between(now(), moment);
}

function between(from: Moment, to: Moment): number {
  return Math.min(to.monotonic - from.monotonic, to.wall - from.wall);
}

/** Waits in the background. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setIdleTimer(resolve, ms);
  });
}

/**
 * Calls back once a moment has come, by the clock that gets there first: so within a second of
 * waking where the machine slept, however far the moment.
 *
 * All alarms share one timer, since most are cancelled long before they are due: to set one, and to
 * cancel it, costs no timer.
 */
export class Alarm {
  readonly ring: () => void;
  #due: Moment = never;

  constructor(ring: () => void) {
    this.ring = ring;
  }

  set(due: Moment): void {
    this.#due = due;
    alarms.add(this);
    lookWithin(until(due));
  }

  cancel(): void {
    alarms.delete(this);
  }

  /** Rings the alarms that are due. */
  static look(this: void): void {
    nextLook = Infinity;
    const present = now();
    let rest = Infinity;
    for (const alarm of alarms) {
      const left = between(present, alarm.#due);
      if (left > 0) {
        rest = Math.min(rest, left);
      } else {
        alarms.delete(alarm);
        alarm.ring();
      }
    }
    if (alarms.size > 0) lookWithin(rest);
  }
}

const alarms = new Set<Alarm>();
/** By the monotonic clock, on which timers run: it stands still while the machine sleeps. */
let nextLook = Infinity;
let timer: unknown;

/** In milliseconds: how long a jump of the wall clock may go unnoticed. */
const longestLook = 1_000;

function lookWithin(ms: number): void {
  const at = clock.monotonic() + Math.min(ms, longestLook);
  if (at >= nextLook) return;
  clock.clearTimer(timer);
  timer = clock.setIdleTimer(Alarm.look, Math.ceil(Math.min(ms, longestLook)));
  nextLook = at;
}
