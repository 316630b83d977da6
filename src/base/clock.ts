/**
 * Time as leases see it: two clocks, of which the one that ran further counts. The monotonic clock
 * ignores that somebody sets the time; the wall clock goes on while a machine is suspended. Tests
 * replace both, and the timers, in one place.
 */
import { AsyncResource } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';
import { outsideCallers } from './context.js';

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
  setTimer: (callback, ms) => setTimeout(callback, Math.min(ms, longestTimer)),
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
  alarms.clear();
  soon.clear();
  awaited = 0;
  nextLook = Infinity;
  nextSurvey = longAgo;
}

/** A point in time, by both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/** The moment of what is not to happen. */
export const never: Moment = { monotonic: Infinity, wall: Infinity };

const longAgo: Moment = { monotonic: -Infinity, wall: -Infinity };

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

/** Whether somebody waits for an alarm: then the process stays alive until it rings or is cancelled. */
export type Vigil = 'awaited' | 'idle';

/**
 * Calls back once a moment has come, by the clock that gets there first: so within a second of
 * waking where the machine slept, however far the moment. It rings in the async context of whoever
 * made it.
 *
 * All alarms share one timer, since most are cancelled long before they are due: to set one, and to
 * cancel it, costs no timer. At most a second apart, a survey of all finds those that are due soon, also
 * because the wall clock has jumped; the looks between two surveys are at these alone.
 */
export class Alarm extends AsyncResource {
  readonly #ring: () => void;
  readonly #vigil: Vigil;
  #due: Moment = never;

  constructor(ring: () => void, vigil: Vigil = 'idle') {
    super('dlock.Alarm');
    this.#ring = ring;
    this.#vigil = vigil;
  }

  set(due: Moment): void {
    this.#set(due, until(due));
  }

  /** Rings in `ms` milliseconds of the monotonic clock: who sets the time changes nothing. */
  setIn(ms: number): void {
    this.#set({ monotonic: clock.monotonic() + ms, wall: Infinity }, ms);
  }

  #set(due: Moment, ms: number): void {
    this.#due = due;
    lookWithin(ms);
    if (clock.monotonic() + ms < nextSurvey.monotonic) soon.add(this);
    if (alarms.has(this)) return;
    alarms.add(this);
    if (this.#vigil === 'awaited' && ++awaited === 1) clock.refTimer(timer);
  }

  cancel(): void {
    if (!alarms.delete(this)) return;
    soon.delete(this);
    if (this.#vigil === 'awaited' && --awaited === 0) clock.unrefTimer(timer);
  }

  /** Rings the alarms that are due. */
  static look(this: void): void {
    nextLook = Infinity;
    const present = now();
    if (between(present, nextSurvey) <= 0) Alarm.#survey(present);
    let rest = nextSurvey.monotonic - present.monotonic;
    for (const alarm of soon) {
      const left = between(present, alarm.#due);
      if (left > 0) {
        rest = Math.min(rest, left);
      } else {
        alarm.cancel();
        alarm.runInAsyncScope(alarm.#ring);
      }
    }
    if (alarms.size > 0) lookWithin(rest);
  }

  static #survey(present: Moment): void {
    nextSurvey = later(present, longestLook);
    soon.clear();
    for (const alarm of alarms) {
      if (between(present, alarm.#due) < longestLook) soon.add(alarm);
    }
  }
}

const alarms = new Set<Alarm>();
/** Those of them that are due before the next survey. */
const soon = new Set<Alarm>();
/** How many of them somebody waits for. */
let awaited = 0;
/** By the monotonic clock, on which timers run: it stands still while the machine sleeps. */
let nextLook = Infinity;
/** By the clock that gets there first: either may stand still. */
let nextSurvey = longAgo;
let timer: unknown;

/** In milliseconds: how long a jump of the wall clock may go unnoticed. */
const longestLook = 1_000;

function lookWithin(ms: number): void {
  const at = clock.monotonic() + Math.min(ms, longestLook);
  if (at >= nextLook) return;
  clock.clearTimer(timer);
  const rest = Math.ceil(Math.min(ms, longestLook));
  timer = outsideCallers(() => clock.setIdleTimer(Alarm.look, rest));
  if (awaited > 0) clock.refTimer(timer);
  nextLook = at;
}
