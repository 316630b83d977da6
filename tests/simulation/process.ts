/**
 * A process with a copy of the core and clocks of its own. It can be stalled (nothing of it runs,
 * while time passes), put to sleep with its machine (its monotonic clock stands still as well), and
 * killed.
 */
import type { Clock, Moment } from '../../src/base/clock.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Core, CoreCopy } from './core.js';
import type { Happening, World } from './world.js';

/** What a process does when it comes to itself after a stall: either may be first in Node.js. */
export type First = 'timers' | 'replies';
type Kind = First | 'calls';

interface Timer {
  readonly callback: () => void;
  /** By the monotonic clock. */
  readonly due: number;
  happening: Happening | undefined;
}

/** So long ago that every deadline is in the future. */
const longAgo = -1e14;

export class SimulatedProcess implements Clock {
  readonly name: string;
  readonly copy: CoreCopy;
  readonly timers = new Set<Timer>();
  readonly #world: World;
  /** How fast its clocks run: a second of true time is `rate` seconds. */
  readonly #rate: number;
  #alive = true;
  /** Until when it is stalled, and since when it is not. */
  #awakeAt = 0;
  /** Until the clock goes on: another thing may happen at that very time, before it does. */
  #asleep = false;
  #deferred: { kind: Kind; run: () => void }[] = [];
  /** What the clocks showed at a true time, from which they run on. */
  #base = { at: 0, monotonic: 1_000, wall: 1_700_000_000_000 };
  #pretended: Moment | undefined;
  /** When the wall clock last ran differently from the monotonic one. */
  disturbedAt = -Infinity;

  constructor(name: string, world: World, rate: number, copy: CoreCopy) {
    this.name = name;
    this.#world = world;
    this.#rate = rate;
    this.copy = copy;
    this.#base.at = world.now;
    this.core.useClock(this);
  }

  get core(): Core {
    return this.copy.core;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get awake(): boolean {
    return this.#alive && this.#world.now >= this.#awakeAt;
  }

  /** For how long it has not been stalled, in true time. */
  get awakeFor(): number {
    return this.#world.now - this.#awakeAt;
  }

  monotonic(): number {
    if (this.#pretended) return this.#pretended.monotonic;
    const { at, monotonic } = this.#base;
    return this.#asleep ? monotonic : monotonic + (this.#world.now - at) * this.#rate;
  }

  wall(): number {
    if (this.#pretended) return this.#pretended.wall;
    const { at, wall } = this.#base;
    return wall + (this.#world.now - at) * this.#rate;
  }

  setTimer(callback: () => void, ms: number): unknown {
    const delay = Math.min(Math.max(1, ms), 2 ** 31 - 1);
    const timer: Timer = { callback, due: this.monotonic() + delay, happening: undefined };
    this.timers.add(timer);
    this.#schedule(timer);
    return timer;
  }

  setIdleTimer(callback: () => void, ms: number): unknown {
    return this.setTimer(callback, ms);
  }

  clearTimer(timer: unknown): void {
    if (!this.timers.delete(timer as Timer)) return;
    const { happening } = timer as Timer;
    if (happening) happening.run = undefined;
  }

  refTimer(): void {}

  unrefTimer(): void {}

  /** Runs something in this process: now, or when its stall is over. */
  do(kind: Kind, run: () => void): void {
    if (!this.#alive) return;
    if (this.awake) run();
    else this.#deferred.push({ kind, run });
  }

  /** The same, `ms` of true time from now. */
  later(ms: number, run: () => void): void {
    this.#world.in(ms, () => this.do('calls', run));
  }

  /** Nothing of it runs for `ms`. */
  stall(ms: number, first: First): void {
    this.#awakeAt = Math.max(this.#awakeAt, this.#world.now + ms);
    this.#world.at(this.#awakeAt, () => this.#wake(first));
  }

  /** Its machine sleeps for `ms`. */
  sleep(ms: number, first: First): void {
    if (this.#asleep) return;
    this.#world.tell('machine asleep', this.name);
    this.#rebase();
    this.#asleep = true;
    this.#world.in(ms, () => {
      this.#rebase();
      this.#asleep = false;
      this.disturbedAt = this.#world.now;
    });
    this.stall(ms, first);
  }

  /** Somebody sets the wall clock. */
  setWall(ms: number): void {
    this.#world.tell(ms < 0 ? 'clock set back' : 'clock set ahead', this.name);
    this.#base.wall += ms;
    this.disturbedAt = this.#world.now;
  }

  kill(): void {
    this.#alive = false;
    for (const timer of this.timers) this.clearTimer(timer);
    this.#deferred = [];
  }

  /**
   * When a lease ends by each clock, or undefined if it has ended. The lease itself says only what is
   * left by the clock that gets there first; so it is asked while the other shows a time long ago.
   */
  deadlineOf(lease: Lease): Moment | undefined {
    const monotonic = this.#pretending({ monotonic: 0, wall: longAgo }, () => lease.remaining);
    const wall = this.#pretending({ monotonic: longAgo, wall: 0 }, () => lease.remaining);
    return monotonic === 0 ? undefined : { monotonic, wall };
  }

  #pretending<T>(moment: Moment, look: () => T): T {
    this.#pretended = moment;
    try {
      return look();
    } finally {
      this.#pretended = undefined;
    }
  }

  #rebase(): void {
    const at = this.#world.now;
    this.#base = { at, monotonic: this.monotonic(), wall: this.wall() };
  }

  #schedule(timer: Timer): void {
    const left = Math.max(0, timer.due - this.monotonic());
    timer.happening = this.#world.in(left / this.#rate, () =>
      this.do('timers', () => this.#fire(timer)),
    );
  }

  #fire(timer: Timer): void {
    if (!this.timers.has(timer)) return;
    // The monotonic clock may have stood still in the meantime.
    const early = timer.due - this.monotonic() > 1e-6;
    if (early) this.#schedule(timer);
    else if (this.timers.delete(timer)) timer.callback();
  }

  #wake(first: First): void {
    if (!this.awake) return;
    const order: Kind[] =
      first === 'timers' ? ['timers', 'replies', 'calls'] : ['replies', 'timers', 'calls'];
    const deferred = order.flatMap((kind) => this.#deferred.filter((entry) => entry.kind === kind));
    this.#deferred = [];
    for (const { kind, run } of deferred) this.#world.in(0, () => this.do(kind, run));
  }
}
