/** Alarms: many points in time that share one timer. */
import { AsyncResource } from 'node:async_hooks';
import {
  between,
  type Clock,
  clock,
  later,
  longAgo,
  type Moment,
  never,
  now,
  until,
} from './clock.js';
import { outsideCallers } from './context.js';

/** Whether somebody waits for an alarm: then the process stays alive until it rings or is cancelled. */
export type Vigil = 'awaited' | 'idle';

/** In milliseconds: how long a jump of the wall clock may go unnoticed. */
const longestLook = 1_000;

/** The alarms of one clock, and when they are looked at. */
class Schedule {
  readonly clock: Clock;
  readonly alarms = new Set<Alarm>();
  /** Those of them that are due before the next survey. */
  readonly soon = new Set<Alarm>();
  /** By the clock that gets there first: either may stand still. */
  nextSurvey = longAgo;
  /** How many of them somebody waits for. */
  #awaited = 0;
  /** By the monotonic clock, on which timers run: it stands still while the machine sleeps. */
  #nextLook = Infinity;
  #timer: unknown;

  constructor(of: Clock) {
    this.clock = of;
  }

  lookWithin(ms: number): void {
    const at = this.clock.monotonic() + Math.min(ms, longestLook);
    if (at >= this.#nextLook) return;
    this.clock.clearTimer(this.#timer);
    const rest = Math.ceil(Math.min(ms, longestLook));
    const look = () => {
      this.#nextLook = Infinity;
      // Where another clock was put in place, these alarms are lost.
      if (ofTheClock() === this) Alarm.look(this);
    };
    this.#timer = outsideCallers(() => this.clock.setIdleTimer(look, rest));
    if (this.#awaited > 0) this.clock.refTimer(this.#timer);
    this.#nextLook = at;
  }

  add(alarm: Alarm, vigil: Vigil): void {
    if (this.alarms.has(alarm)) return;
    this.alarms.add(alarm);
    if (vigil === 'awaited' && ++this.#awaited === 1) this.clock.refTimer(this.#timer);
  }

  remove(alarm: Alarm, vigil: Vigil): void {
    if (!this.alarms.delete(alarm)) return;
    this.soon.delete(alarm);
    if (vigil === 'awaited' && --this.#awaited === 0) this.clock.unrefTimer(this.#timer);
  }
}

let current = new Schedule(clock);

function ofTheClock(): Schedule {
  if (current.clock !== clock) current = new Schedule(clock);
  return current;
}

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
    const schedule = ofTheClock();
    this.#due = due;
    schedule.lookWithin(ms);
    if (clock.monotonic() + ms < schedule.nextSurvey.monotonic) schedule.soon.add(this);
    schedule.add(this, this.#vigil);
  }

  cancel(): void {
    ofTheClock().remove(this, this.#vigil);
  }

  /** Rings the alarms that are due. */
  static look(schedule: Schedule): void {
    const present = now();
    if (between(present, schedule.nextSurvey) <= 0) Alarm.#survey(schedule, present);
    let rest = schedule.nextSurvey.monotonic - present.monotonic;
    for (const alarm of schedule.soon) {
      const left = between(present, alarm.#due);
      if (left > 0) {
        rest = Math.min(rest, left);
      } else {
        alarm.cancel();
        alarm.runInAsyncScope(alarm.#ring);
      }
    }
    if (schedule.alarms.size > 0) schedule.lookWithin(rest);
  }

  static #survey(schedule: Schedule, present: Moment): void {
    schedule.nextSurvey = later(present, longestLook);
    schedule.soon.clear();
    for (const alarm of schedule.alarms) {
      if (between(present, alarm.#due) < longestLook) schedule.soon.add(alarm);
    }
  }
}
