/**
 * Time as leases see it: two clocks, of which the one that ran further counts. The monotonic clock
 * ignores that somebody sets the time; the wall clock goes on while a machine is suspended. Tests
 * replace both, and the timers, in one place.
 */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';

/** Where time comes from. All times are in milliseconds. */
export interface Clock {
  /** Never goes back, but may stand still while the machine sleeps. */
  monotonic(): number;
  /** Time since the epoch; may be set forward and back. */
  wall(): number;
  /** Calls back once, after at least `ms` of the monotonic clock; for what somebody waits for. */
  setTimer(callback: () => void, ms: number): unknown;
  /** The same for what goes on in the background: it keeps no process alive. */
  setIdleTimer(callback: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
  /** From now on the timer keeps the process alive. */
  refTimer(timer: unknown): void;
  /** From now on it does not. */
  unrefTimer(timer: unknown): void;
}

/** The longest delay of a Node.js timer, about 24.8 days; a longer one would fire at once. */
export const longestTimer = 2 ** 31 - 1;

/**
 * The timers and clocks that were there when the library was loaded: a test that fakes the global
 * ones and restores them later must not drop the timers by which leases live. And where the global
 * `setTimeout` is a browser's (jsdom, Electron), it returns a number.
 */
const { setTimeout, clearTimeout } = timers;
const monotonic = performance.now.bind(performance);
const wall = Date.now;

const systemClock: Clock = {
  monotonic,
  wall,
  // Of a negative delay Node.js 24 warns.
  setTimer: (callback, ms) => setTimeout(callback, Math.max(0, Math.min(ms, longestTimer))),
  setIdleTimer(callback, ms) {
    const timer = this.setTimer(callback, ms);
    this.unrefTimer(timer);
    return timer;
  },
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  // A timer that is a number keeps no process alive that anybody would want to end.
  refTimer: (timer) => (timer as Partial<NodeJS.Timeout> | undefined)?.ref?.(),
  unrefTimer: (timer) => (timer as Partial<NodeJS.Timeout> | undefined)?.unref?.(),
};

/** The clock in use. */
export let clock = systemClock;

/** Puts another clock in place, for tests; without one, the system's clock again. Alarms are lost. */
export function useClock(replacement: Clock = systemClock): void {
  clock = replacement;
}

/** A point in time, by both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** The moment of what is not to happen. */
export const never: Moment = { monotonic: Infinity, wall: Infinity };

/** The moment of what has not happened yet. */
export const longAgo: Moment = { monotonic: -Infinity, wall: -Infinity };

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

/** Milliseconds from one moment to another, by the clock that gets there first. */
export function between(from: Moment, to: Moment): number {
  return Math.min(to.monotonic - from.monotonic, to.wall - from.wall);
}

/** Waits, for however long. */
export function pause(ms: number): Promise<void> {
  return passed(ms, (callback, piece) => clock.setTimer(callback, piece));
}

/** The same in the background: it keeps no process alive. */
export function idlePause(ms: number): Promise<void> {
  return passed(ms, (callback, piece) => clock.setIdleTimer(callback, piece));
}

/** By the monotonic clock alone: who sets the time ends no pause. */
async function passed(
  ms: number,
  setTimer: (callback: () => void, ms: number) => unknown,
): Promise<void> {
  const end = clock.monotonic() + ms;
  for (let left = ms; left > 0; left = end - clock.monotonic()) {
    await new Promise<void>((resolve) => setTimer(resolve, Math.min(left, longestTimer)));
  }
}
