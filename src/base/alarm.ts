/** Alarms: many points in time that share one timer. */
import { AsyncResource } from 'node:async_hooks';
import { between, clock, later, longAgo, type Moment, never, now, until } from './clock.js';
import { outsideCallers } from './context.js';

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
    if (source !== clock) loseAll();
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
/** What clock they go by. */
let source = clock;

/** Another clock was put in place, on which none of them is due. */
function loseAll(): void {
  source = clock;
  alarms.clear();
  soon.clear();
  awaited = 0;
  nextLook = Infinity;
  nextSurvey = longAgo;
}

/** In milliseconds: how long a jump of the wall clock may go unnoticed. */
const longestLook = 1_000;

function lookWithin(ms: number): void {
  const rest = Math.min(ms, longestLook);
  const at = clock.monotonic() + rest;
  if (at >= nextLook) return;
  clock.clearTimer(timer);
  timer = outsideCallers(() => clock.setIdleTimer(Alarm.look, Math.ceil(rest)));
  if (awaited > 0) clock.refTimer(timer);
  nextLook = at;
}
