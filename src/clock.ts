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
  watching = false;
}

/** A point in time, by both clocks. */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

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
  return Math.min(moment.monotonic - clock.monotonic(), moment.wall - clock.wall());
}

/** Waits in the background. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setIdleTimer(resolve, ms);
  });
}

/**
 * Calls back after a while, or earlier: in pieces where the while is longer than a timer can be,
 * and within a second of waking where the machine slept. Who is called looks at the time and sets
 * the alarm again.
 */
export class Alarm {
  readonly ring: () => void;
  #timer: unknown;

  constructor(ring: () => void) {
    this.ring = ring;
  }

  set(ms: number): void {
    clock.clearTimer(this.#timer);
    this.#timer = clock.setIdleTimer(this.ring, ms);
    alarms.add(this);
    if (!watching) watchForSleep();
  }

  cancel(): void {
    clock.clearTimer(this.#timer);
    alarms.delete(this);
  }
}

const alarms = new Set<Alarm>();
let watching = false;

/**
 * Timers run on the monotonic clock, which stands still while the machine sleeps. So one timer
 * looks each second whether the wall clock ran differently, and if so rings every alarm. It stops by
 * itself when no alarm is set.
 */
function watchForSleep(): void {
  const ahead = () => clock.wall() - clock.monotonic();
  let baseline = ahead();
  const look = () => {
    watching = alarms.size > 0;
    if (!watching) return;
    const current = ahead();
    if (current < baseline || current > baseline + 10) {
      baseline = current;
      for (const alarm of alarms) alarm.ring();
    }
    clock.setIdleTimer(look, 1_000);
  };
  watching = true;
  clock.setIdleTimer(look, 1_000);
}
