/** What must hold at every step of a run, and at its end, whatever befell it. */
import { getEventListeners } from 'node:events';
import type { Moment } from '../../src/base/clock.js';
import type { Lease } from '../../src/lease/lease.js';
import type { Attempt } from '../../src/store.js';
import type { Connection } from './connection.js';
import type { Holder } from './holders.js';
import { Known } from './known.js';
import type { SimulatedProcess } from './process.js';
import { type Request, type SimulatedServer, stranger } from './server.js';
import type { Servers } from './servers.js';
import { type Call, isPast, type Tenure } from './tenure.js';
import { checkTogether, fill } from './together.js';
import { Turns } from './turns.js';
import { must, Violation } from './violation.js';
import type { Fate } from './wire.js';
import type { World } from './world.js';

/** How late a timer may be, in milliseconds, and how late those who look once a second. */
const tick = 3;
const glance = 1_000 + 20;
/** How long a process may take, after a stall, to catch up with what was due. */
const settling = 20;

/** Calls that may stand in the line of any lock. */
const inAnyLine = ['once', 'lead', 'acquireAll'];

/** Calls that may ask for a lock, or several, without standing in line. */
const outOfLine = ['tryAcquire', 'locked', 'once', 'acquireAll', 'tryAcquireAll'];

export class Judge {
  readonly calls = new Set<Call>();
  readonly tenures = new Set<Tenure>();
  readonly #world: World;
  readonly #servers: Servers;
  readonly #timeout: number;
  /** Which processes have used a token. */
  readonly #users = new Map<string, Set<SimulatedProcess>>();
  /** Tokens whose key may stay until it lapses, by the store's clock. */
  readonly #excused = new Map<string, string>();
  /** By token: when its lease was handed over, the last time. */
  readonly #handedOver = new Map<string, number>();
  /** What processes have sent and not heard of, and since when they wait for it. */
  readonly #inFlight = new Map<Request, { process: SimulatedProcess; since: number }>();
  /** When a process was told of the end of a request, by its monotonic clock. */
  readonly #settledAt = new Map<Request, number>();
  /** What the servers had done when a request was sent. */
  readonly #sentAt = new WeakMap<Request, ReturnType<Servers['mark']>>();
  /** When a token was first used: an acquire that is repeated is waited for since then. */
  readonly #asked = new Map<string, number>();
  /** Processes that do not only stand in line, so that several of their attempts may be under way. */
  readonly #outOfLine = new Set<SimulatedProcess>();
  readonly #signals = new Map<AbortSignal, SimulatedProcess>();
  readonly #known = new Known();
  readonly #turns: Turns;
  #noted: Violation | undefined;
  #called = 0;
  #done = false;
  #served: Call[] = [];

  constructor(world: World, servers: Servers, timeout: number) {
    this.#timeout = timeout;
    this.#world = world;
    this.#servers = servers;
    // Of a token that was handed over, no process knows what may still come.
    const processOf = (token: string) =>
      this.#handedOver.has(token) ? undefined : [...(this.#users.get(token) ?? [])][0];
    const headOf = (process: SimulatedProcess) => {
      const calls = [...this.calls].filter((call) => call.process === process && !call.served);
      // `once` stands in line, too, and then asks for its period.
      if (calls.some(({ what }) => what === 'once')) return undefined;
      return calls.find(({ line }) => line);
    };
    this.#turns = new Turns(world, servers.at(0), { processOf, headOf, must });
  }

  /** Something befalls a process that may cost it its turn, for so many milliseconds. */
  disturbed(process: SimulatedProcess, ms?: number): void {
    this.#turns.disturbed(process, ms);
  }

  /** The same for one of its messages, which reaches the store within `ms`. */
  befallen(process: SimulatedProcess, fate: Fate, ms: number): void {
    this.#turns.befallen(process, fate, ms);
  }

  /** A process asks with patience. */
  patient({ name }: SimulatedProcess, canBeWoken: boolean): void {
    if (!canBeWoken) this.#note('only who can be woken is patient', name);
  }

  call(
    process: SimulatedProcess,
    what: string,
    { within = Infinity, line, limit = 1 }: Partial<Call> = {},
  ): Call {
    if (!line && outOfLine.includes(what)) this.#outOfLine.add(process);
    const startMonotonic = process.monotonic();
    const number = ++this.#called;
    const call = { number, process, what, startMonotonic, within, limit, line, served: false };
    this.calls.add(call);
    return call;
  }

  /** A call is told to end, and must have come back after so many milliseconds of its process' time. */
  mustEnd(call: Call, ms: number): void {
    call.within = call.process.monotonic() - call.startMonotonic + ms;
  }

  returned(call: Call): void {
    this.calls.delete(call);
  }

  served(call: Call): void {
    call.served = true;
    this.#served.push(call);
  }

  listensTo(process: SimulatedProcess, signal: AbortSignal): void {
    this.#signals.set(signal, process);
  }

  sent(process: SimulatedProcess, request: Request): void {
    const { token } = request;
    this.#sentAt.set(request, this.#servers.mark());
    this.#uses(process, token);
    if (request.heir) this.#uses(process, request.heir);
    this.#checkInFlight(process, request);
    this.#checkLimit(process, request);
    this.#checkNeed(process, request);
    this.#checkHeir(process, request);
    this.#checkRelease(process, request);
    const asked = request.operation === 'acquire' ? this.#asked.get(token) : undefined;
    const since = asked ?? process.monotonic();
    if (!this.#asked.has(token)) this.#asked.set(token, since);
    this.#inFlight.set(request, { process, since });
    this.#known.sent(process, request);
  }

  #uses(process: SimulatedProcess, token: string): void {
    const users = this.#users.get(token) ?? new Set();
    this.#users.set(token, users.add(process));
  }

  /** Whoever sent it has its answer, or its error. */
  heard(request: Request): void {
    this.#inFlight.delete(request);
  }

  /** Of one server: a request to it has been answered, or has failed. */
  settled(process: SimulatedProcess, request: Request): void {
    this.#settledAt.set(request, process.monotonic());
  }

  /**
   * A request has reached a server. What the world may do to one that failed is what the core relies
   * on, so a world that does more would blame the core for its own fault.
   */
  reached(process: SimulatedProcess, request: Request): void {
    const since = process.monotonic() - (this.#settledAt.get(request) ?? Infinity);
    if (since <= this.#timeout) return;
    const { operation, token } = request;
    const details = `${operation} ${token.slice(0, 4)} of ${process.name}, ${since} ms later`;
    this.#note('what failed reaches the store within the timeout or never', details);
  }

  /** An answer has reached a process, `ms` of its time after the request left. */
  answered(
    process: SimulatedProcess,
    request: Request,
    answer: Attempt | boolean,
    ms: number,
  ): void {
    const { operation, token, ttl } = request;
    this.#checkRefusal(request, answer);
    this.#known.answered(process, request, answer, ms);
    // The line keeps its token from ask to ask.
    if (typeof answer === 'object' && !answer.granted) this.#asked.delete(token);
    // What comes later, nobody waits for.
    const inTime = ms < Math.min(this.#timeout, ttl / 3) - tick;
    if (operation !== 'extend' || answer !== false || !inTime) return;
    for (const tenure of this.tenures) {
      if (tenure.process === process && tenure.lease.token === token) tenure.refused = true;
    }
  }

  granted(process: SimulatedProcess, lease: Lease, limit: number, observed: boolean): Tenure {
    const signal = observed ? lease.signal : undefined;
    const tenure: Tenure = {
      process,
      lease,
      limit,
      signal,
      fate: 'open',
      lapse: 0,
      leaving: false,
      ended: false,
      refused: false,
    };
    this.tenures.add(tenure);
    this.#excused.delete(lease.token);
    this.#checkFence(lease);
    return tenure;
  }

  /** A call says that others with its limit are kept out of the lock, or of one of several. */
  toldHeld(call: Call, ...names: readonly string[]): void {
    const { process, what } = call;
    const mayTell = names.some((name) => this.#mayTell(call, name));
    must(mayTell, 'an outage is never "held"', `${what} of ${process.name}`);
  }

  #mayTell(call: Call, name: string): boolean {
    const wasOurs = this.#servers.most((server) => {
      const { token = '', limit = 1 } = server.lastGrant(name) ?? {};
      return limit === 1 && this.#users.get(token)?.has(call.process) === true;
    });
    const isInLine = ({ line, what }: Call) =>
      (line !== undefined && line === call.line) || inAnyLine.includes(what);
    const ahead = [...this.calls].filter(
      (other) =>
        other.process === call.process &&
        isInLine(other) &&
        other.number < call.number &&
        !other.served,
    );
    const limits = [call, ...ahead].map(({ limit }) => limit);
    return wasOurs || this.#known.mayTell(call, name, this.tenures, limits);
  }

  /** A release has come to its end: what was held until then was held by this process. */
  hasLeft(tenure: Tenure): void {
    if (tenure.leaving) this.#known.ended(tenure);
    tenure.leaving = false;
  }

  excuse({ lease }: Tenure, reason: string): void {
    this.#excused.set(lease.token, reason);
  }

  handedOver(tenure: Tenure): void {
    this.excuse(tenure, 'handed over');
    this.#handedOver.set(tenure.lease.token, this.#world.now);
  }

  killed(process: SimulatedProcess): void {
    for (const call of this.calls) if (call.process === process) this.calls.delete(call);
    for (const tenure of this.tenures) if (tenure.process === process) this.tenures.delete(tenure);
  }

  /** What `release` has answered; `before` is what the servers had done when it was called. */
  released(
    { lease, process, signal, fate }: Tenure,
    ours: boolean,
    wasHeld: boolean,
    before: ReturnType<Servers['mark']>,
  ): void {
    const { token } = lease;
    const who = `${token.slice(0, 4)} of ${process.name}`;
    const isDone = (entry: Request & { readonly answer: Attempt | boolean }) =>
      entry.token === token && entry.answer === true;
    if (ours && fate !== 'handed over') {
      const done = this.#servers.mostDid(before, isDone);
      must(done, 'release never lies', `${who} was not ours`);
    }
    const freed = this.#servers.mostDid(
      before,
      (entry) => isDone(entry) && entry.operation === 'release',
    );
    // A client that sends a release again can make a sound one look as if it came too late.
    const certain = !this.#world.occurred.has('sent again') && !this.#servers.robbed(token);
    if (!ours && wasHeld && certain) must(!freed, 'release never lies', `${who} was ours`);
    if (!ours)
      must(signal?.aborted !== false, 'loss is told by the deadline', `${who}, at its release`);
  }

  /** The body of `once` begins. */
  begins(): void {
    const again = this.#done && !this.#servers.haveForgotten;
    must(!again, 'a period runs once', 'it runs again');
  }

  /** `locked` or `once` says that the body ran. */
  ran(what: string, wasHeld: boolean): void {
    must(wasHeld, 'a body that lost its lease is not told as done', what);
    if (what === 'once') this.#done = true;
  }

  /** Called after each step. */
  check(): void {
    if (this.#noted) throw this.#noted;
    this.#checkHolders();
    this.#checkCalls();
    this.#turns.check();
  }

  /** Called when nothing moves any more, or always the same does: as when some wait in a circle. */
  checkSettled(): void {
    for (const { what, process } of this.calls) {
      must(false, 'every call settles', `${what} of ${process.name} did not`);
    }
  }

  /** Called when nothing moves any more. */
  finish(processes: readonly SimulatedProcess[], connections: readonly Connection[]): void {
    this.checkSettled();
    for (const server of this.#servers.all) {
      for (const [name, holders] of server.holders) {
        for (const holder of holders.living(this.#world.now)) {
          this.#checkLeftOver(server, name, holder);
        }
      }
      must(server.watchers.size === 0, 'nothing is left', 'a watch');
    }
    for (const { timers, copy } of processes) {
      must(timers.size === 0, 'nothing is left', 'a timer');
      for (const memory of copy.memories) {
        for (const kept of memory.values()) {
          const { size = 0 } = kept as { size?: number };
          must(size === 0, 'nothing is left', 'an entry in a registry');
        }
      }
    }
    must(
      connections.every(({ idle }) => idle),
      'nothing is left',
      'a message',
    );
    this.#turns.finish();
    for (const [signal, { alive }] of this.#signals) {
      const listeners = alive ? getEventListeners(signal, 'abort').length : 0;
      must(listeners === 0, 'nothing is left', 'a listener');
    }
  }

  /** Of a lease, one extension at a time is under way; of a line, one attempt. */
  #checkInFlight(process: SimulatedProcess, { operation, name, token }: Request): void {
    for (const [other, { process: sender, since }] of this.#inFlight) {
      if (sender !== process || other.operation !== operation || other.name !== name) continue;
      const wait = operation === 'extend' ? Math.min(this.#timeout, other.ttl / 3) : this.#timeout;
      const givenUp = process.monotonic() - since >= wait - tick;
      if (givenUp || token === 'done' || this.#handedOver.has(token)) continue;
      const same = other.token === token;
      if (operation === 'extend' && same) this.#note('one extension at a time', token);
      const another = operation === 'acquire' && !same && !this.#outOfLine.has(process);
      if (another) this.#note('only the head of the line asks', process.name);
    }
  }

  /** `acquireShared` is for two at least. */
  #checkLimit({ name }: SimulatedProcess, { limit = Infinity }: Request): void {
    if (limit < 2) this.#note('who wants a lock alone asks for it alone', name);
  }

  /** A line does not ask for what its own process keeps from it. */
  #checkNeed(process: SimulatedProcess, { operation, name, token, limit = 1 }: Request): void {
    const isAgain = this.#asked.has(token);
    if (operation !== 'acquire' || isAgain || this.#outOfLine.has(process)) return;
    const ours = [...this.tenures].filter(
      ({ process: holder, fate, lease }) =>
        holder === process && fate === 'open' && lease.name === name && lease.held,
    );
    const limits = ours.map(({ limit }) => limit);
    if (fill(limits, limit)) this.#note('the line rests while its process is in the way', name);
  }

  /** Whoever holds a lock beside others leaves it to the next in the queue of the store. */
  #checkHeir({ name }: SimulatedProcess, { token, heir }: Request): void {
    const isShared = this.#known.limitOf(token) > 1;
    if (heir && isShared) this.#note('only who holds a lock alone passes it on', name);
  }

  /** Nobody but its holder gives back a lease, whatever becomes of others. */
  #checkRelease(process: SimulatedProcess, { operation, token }: Request): void {
    if (operation !== 'release') return;
    for (const { process: holder, lease, fate, ended } of this.tenures) {
      const isOpen = holder === process && lease.token === token && fate === 'open' && !ended;
      if (isOpen) this.#note('a lease is ours until we give it back', `${token.slice(0, 4)}`);
    }
  }

  /** "Held" and "not yours" are what so many servers have said that the others cannot decide otherwise. */
  #checkRefusal(request: Request, answer: Attempt | boolean): void {
    if (answer === true || (answer !== false && answer.granted)) return;
    const { operation, token } = request;
    const saidNo = this.#servers.mostDid(
      this.#sentAt.get(request) ?? new Map(),
      (entry) =>
        entry.token === token &&
        entry.operation === operation &&
        (entry.answer === false || (entry.answer !== true && !entry.answer.granted)),
    );
    const promise = operation === 'acquire' ? 'an outage is never "held"' : 'a loss is no outage';
    if (!saidNo) this.#note(promise, `${operation} ${token.slice(0, 4)} was refused by too few`);
  }

  /** Within a request, to throw would be to answer as a store that fails. */
  #note(promise: string, details: string): void {
    this.#noted ??= new Violation(promise, details);
  }

  #checkHolders(): void {
    const held: Tenure[] = [];
    for (const tenure of this.tenures) {
      const { process, lease } = tenure;
      const who = `${lease.token.slice(0, 4)} of ${process.name}`;
      const deadline = process.deadlineOf(lease);
      if (!deadline) {
        this.#checkEnd(tenure);
        continue;
      }
      must(!tenure.ended, 'lost is final', who);
      if (isPast(deadline, process)) {
        if (process.awake) this.#checkOverdue(tenure, deadline);
        else this.#world.tell('deadline passed in a stall', process.name);
        continue;
      }
      must(!tenure.refused, '"not yours" is a loss at once', who);
      if (!this.#servers.robbed(lease.token)) held.push(tenure);
    }
    checkTogether(held, this.#servers);
  }

  /** Past its deadline, and not told yet. */
  #checkOverdue({ process, lease }: Tenure, deadline: Moment): void {
    const overdue = process.monotonic() - deadline.monotonic;
    const overdueByWall = process.wall() - deadline.wall;
    const glanced = this.#world.now - process.disturbedAt > glance;
    const late = overdue > tick || (overdueByWall > tick && glanced);
    const details = `${lease.token.slice(0, 4)} of ${process.name}, ${overdue} ms after it`;
    must(!late || process.awakeFor <= settling, 'loss is told by the deadline', details);
  }

  #checkEnd(tenure: Tenure): void {
    if (tenure.ended) return;
    tenure.ended = true;
    const { process, lease, signal, fate } = tenure;
    this.#known.ended(tenure);
    if (fate !== 'open' && fate !== 'forgotten') return;
    this.#world.tell('lease lost', process.name, () => lease.token.slice(0, 4));
    must(signal?.aborted !== false, 'loss is told by the deadline', 'lost without a word');
  }

  #checkCalls(): void {
    for (const { process, what, startMonotonic, within } of this.calls) {
      if (!process.awake || process.awakeFor < settling) continue;
      const inTime = process.monotonic() - startMonotonic <= within + tick;
      must(inTime, 'every call settles', `${what} of ${process.name} within ${within} ms`);
    }
    for (const served of this.#served) {
      for (const { number, process, line, served: isServed } of this.calls) {
        if (!line || line !== served.line || process !== served.process || isServed) continue;
        must(number > served.number, 'first come, first served', `in ${process.name}`);
      }
    }
    this.#served = [];
  }

  #checkFence({ token, fence }: Lease): void {
    const isMinted = ({ log }: SimulatedServer) =>
      log.some(
        ({ answer, ...request }) =>
          request.token === token &&
          typeof answer === 'object' &&
          answer.granted &&
          answer.fence === fence,
      );
    const minted = this.#servers.isQuorum ? fence === undefined : this.#servers.most(isMinted);
    must(minted, 'fences are those of the grant', `${token.slice(0, 4)} has ${fence}`);
  }

  #checkLeftOver(server: SimulatedServer, name: string, { token, end }: Holder): void {
    if (token === stranger || token === 'done') return;
    const users = [...(this.#users.get(token) ?? [])];
    const last = server.lastSuccess(token);
    const excused =
      users.some(({ alive }) => !alive) ||
      // Only the store's rounding keeps it.
      (last !== undefined && last.at + last.ttl <= this.#world.now) ||
      this.#excused.has(token) ||
      this.#lapses(name, token) ||
      this.#cameAfterHandOver(server, token) ||
      this.#missedHandOver(server, token) ||
      this.#cameAfterLapse(server, token);
    const left = Math.round(end - this.#world.now);
    const details = `${name} is held by ${token.slice(0, 4)} for another ${left} ms`;
    must(excused, 'no orphan', `${details} at ${server.name}`);
  }

  /**
   * Whether the key stays no longer than its last holder wanted it to. A minority of the members of a
   * quorum may have missed that, and keep it until the lease would have ended.
   */
  #lapses(name: string, token: string): boolean {
    const tenures = [...this.tenures].filter(({ lease }) => lease.token === token);
    const lapse = Math.max(...tenures.map(({ lapse }) => lapse));
    const overstays = (server: SimulatedServer) => {
      const end = server.holder(name, token)?.end ?? -Infinity;
      const since = server.lastSuccess(token)?.at ?? 0;
      // The core rounds up as well.
      return end - since >= lapse + 1 + server.traits.step;
    };
    return lapse > 0 && !this.#servers.most(overstays);
  }

  /**
   * Whether an acquire that had failed came when its lease was handed over and given back, with an extension
   * behind it or without. Neither process can know that the other's work is done; it costs the others one ttl.
   */
  #cameAfterHandOver(server: SimulatedServer, token: string): boolean {
    const came = server.lastSuccess(token, 'acquire');
    const isGivenBack = (entry: Request & { readonly at: number }) =>
      entry.token === token && entry.operation === 'release' && entry.at <= (came?.at ?? 0);
    return (
      this.#handedOver.has(token) && this.#servers.all.some(({ log }) => log.some(isGivenBack))
    );
  }

  /**
   * Whether a member of a quorum has heard nothing of a lease since that was handed over. Whoever gives it back
   * knows the ttl that it had asked for itself, and need not ask the member for longer than that.
   */
  #missedHandOver(server: SimulatedServer, token: string): boolean {
    const { at = Infinity } = server.lastSuccess(token) ?? {};
    return this.#servers.isQuorum && at <= (this.#handedOver.get(token) ?? -Infinity);
  }

  /**
   * Whether an acquire came at a member of a quorum when its lease was left to lapse, and had. The
   * member cannot know that it was not handed over: then a release would take a vote of the next
   * holder. It costs the others one ttl.
   */
  #cameAfterLapse(server: SimulatedServer, token: string): boolean {
    const isLeft = ({ lease, lapse }: Tenure) => lease.token === token && lapse > 0;
    const cameLast = server.lastSuccess(token)?.operation === 'acquire';
    return this.#servers.isQuorum && cameLast && [...this.tenures].some(isLeft);
  }
}
