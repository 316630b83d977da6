/** The story of one run: the store, the lock, the command, and what came of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { locked } from '../api/locked.js';
import { once } from '../api/once.js';
import { LeaseLostError, StoreError } from '../base/errors.js';
import { lockNamed } from '../base/names.js';
import type { Lease } from '../lease/lease.js';
import type { LockStore } from '../store.js';
import { type Settings, UsageError } from './arguments.js';
import { UnusableStore } from './client.js';
import { Command, StartError } from './command.js';
import { type Ending, exits } from './exits.js';
import { type Alarm, type Guard, guard } from './guard.js';
import { Holdings } from './holdings.js';
import { durationOf, type Messages } from './messages.js';
import { Narrator } from './narrator.js';
import { openOnceUp } from './outlast.js';
import { Interrupted, type Signals } from './signals.js';
import { type NamedStore, storeNamedBy } from './store.js';
import { Witness } from './witness.js';

/**
 * How long the store may take when all is done but to tell it so, in milliseconds: longest where
 * that keeps a period from being run again.
 */
const patience = { periodDone: 5_000, commandEnded: 2_000, otherwise: 500 };

/** The command failed: the period of `--once` is not done. */
class CommandFailed extends Error {
  constructor(readonly ending: Ending) {
    super(`The command ended with ${ending}`);
  }
}

/** The command was stopped for want of a lease. */
class Stopped extends Error {}

export class Run {
  readonly #settings: Settings;
  readonly #messages: Messages;
  readonly #signals: Signals;
  readonly #narrator: Narrator;
  /** How long the lock may still be waited for, in milliseconds. */
  #wait: number;
  /** How dlock is to end, since the command has ended or was stopped; undefined before that. */
  #ending: Ending | undefined;

  constructor(settings: Settings, messages: Messages, signals: Signals) {
    this.#settings = settings;
    this.#messages = messages;
    this.#signals = signals;
    this.#narrator = new Narrator(settings, messages);
    this.#wait = settings.wait;
  }

  /**
   * Resolves to how dlock is to end, when nothing is left to do: as the command did, by the signal that
   * came while there was none, or with an exit code that says what went wrong.
   */
  async ending(): Promise<Ending> {
    try {
      const named = storeNamedBy(this.#settings);
      this.#tell('detail', named.description);
      const store = await this.#signals.unlessInterrupted(this.#openStore(named));
      return await this.#settle(new Holdings(store));
    } catch (error) {
      return this.#explain(error);
    }
  }

  /** With `--wait`, once the store is up; without, the first request says whether it is. */
  async #openStore(named: NamedStore): Promise<LockStore> {
    if (this.#wait === 0) return named.open();
    const { store, left } = await openOnceUp(named, this.#settings, (reason) =>
      this.#tell('say', `waiting for the store, which is not up (${reason})`),
    );
    this.#wait = left;
    return store;
  }

  /** Takes the lock, runs the command, and ends clean, or says that it could not; in any case soon. */
  async #settle(store: Holdings): Promise<Ending> {
    const work = this.#signals.unlessInterrupted(this.#underLock(store));
    const outcome = work.catch((error) => this.#explain(error));
    const clean = outcome.then(() => store.emptied()).then(() => true);
    const late = Promise.race([store.closed, outcome])
      .then(() => delay(this.#patience))
      .then(() => false);
    if (!(await Promise.race([clean, late])) && this.#ending !== undefined) this.#tellOfLeftover();
    return this.#ending === undefined ? outcome : Promise.race([outcome, this.#ending]);
  }

  get #patience(): number {
    if (this.#ending === undefined) return patience.otherwise;
    return this.#periodDone ? patience.periodDone : patience.commandEnded;
  }

  get #periodDone(): boolean {
    return this.#settings.period !== undefined && this.#ending === exits.success;
  }

  async #underLock(store: Holdings): Promise<number> {
    const { name, ttl, wait, minHold, period, retain, heldExit } = this.#settings;
    const options = { ttl, wait: this.#wait, minHold, signal: this.#signals.interruption };
    const body = (lease: Lease) => this.#runCommand(lease).finally(() => store.close());
    const outcome =
      period === undefined
        ? await locked(store, name, body, options)
        : await once(store, name, period, body, { ...options, retain });
    this.#narrator.waited();
    if (outcome.ran) return exits.success;
    if (outcome.reason === 'done') {
      this.#tell('say', `another run has succeeded for the period ${JSON.stringify(period)}`);
      return exits.success;
    }
    this.#tell(
      'say',
      wait > 0 ? `another still holds it after ${durationOf(wait)}` : 'another holds it',
    );
    return heldExit;
  }

  /** @throws {@link CommandFailed}, {@link Stopped}, {@link StartError}, {@link Interrupted}. */
  async #runCommand(lease: Lease): Promise<void> {
    const { ttl, grace } = this.#settings;
    this.#signals.interruption.throwIfAborted();
    const witness = new Witness();
    const command = new Command(this.#settings, lease);
    this.#signals.handTo((signal) => this.#handOn(signal, command, witness));
    const guarded = guard(lease, ttl, grace);
    try {
      this.#tell('detail', `the command runs as process ${command.pid}`);
      const first = await Promise.race([
        command.ended.then((ending) => ({ ending })),
        guarded.alarmed.then((alarm) => ({ alarm })),
      ]);
      if ('alarm' in first) return await this.#stop(command, lease, guarded, first.alarm);
      const { ending } = first;
      this.#tell('detail', `the command ended with ${ending}`);
      this.#ending = ending;
      if (ending !== exits.success) throw new CommandFailed(ending);
    } finally {
      guarded.dismiss();
      witness.dismiss();
      this.#signals.handTo(() => {});
    }
  }

  async #handOn(signal: NodeJS.Signals, command: Command, witness: Witness): Promise<void> {
    const groupWide = await witness.saw(signal);
    if (groupWide === undefined) return;
    this.#tell(
      'detail',
      groupWide ? `${signal} reached the command too` : `${signal} is handed on`,
    );
    if (!groupWide) command.signal(signal);
  }

  async #stop(command: Command, lease: Lease, guarded: Guard, why: Alarm): Promise<never> {
    const stopped = command.stop(guarded.grace());
    this.#tellOfAlarm(lease, why);
    const { notOurs, unlisted } = await stopped;
    if (unlisted) {
      this.#tell(
        'error',
        'the system does not list its processes; what the command started may still run',
      );
    }
    if (notOurs.length > 0) {
      this.#tell('error', `not ours to stop, and may still run: process ${notOurs.join(', ')}`);
    } else {
      await command.ended;
    }
    this.#ending = exits.lost;
    throw new Stopped(why);
  }

  #tellOfAlarm(lease: Lease, why: Alarm): void {
    const { trouble } = this.#narrator;
    if (why === 'unrenewed') {
      const because = trouble ?? 'the store does not answer';
      this.#tell(
        'error',
        `the lease could not be renewed in time (${because}); stopping the command`,
      );
    } else {
      const { message } = lease.signal.reason as Error;
      this.#messages.error(`${message}${trouble ? ` (${trouble})` : ''}; stopping the command`);
    }
  }

  /** What the others are left with. A loss has been told already. */
  #tellOfLeftover(): void {
    if (this.#ending === exits.lost) return;
    const reason = this.#narrator.trouble ?? 'it does not answer';
    const ttl = durationOf(this.#settings.ttl);
    const then = this.#periodDone ? ', and the period may be run again' : '';
    this.#tell(
      'error',
      `the store could not be told that the command has ended (${reason}); the lock stays taken for its ttl of ${ttl}${then}`,
    );
  }

  /** Says what happened, where that was not said yet, and how dlock is to end for it. */
  #explain(error: unknown): Ending {
    this.#narrator.waited();
    if (error instanceof CommandFailed) return error.ending;
    if (error instanceof Stopped) return exits.lost;
    if (error instanceof Interrupted) {
      this.#tell('detail', error.message);
      return error.signal;
    }
    if (error instanceof LeaseLostError) {
      this.#messages.error(`The command has ended, but without protection: ${error.message}`);
      return exits.lost;
    }
    // The command has ended, and that counts; what the others are left with is told in the end.
    if (error instanceof StoreError && this.#ending !== undefined) return this.#ending;
    if (error instanceof StoreError) {
      this.#narrator.storeFailed(error);
      return exits.storeUnreachable;
    }
    if (error instanceof UnusableStore) {
      this.#tell('error', `the store cannot be used: ${error.message}`);
      return exits.storeUnreachable;
    }
    if (error instanceof StartError) {
      this.#tell('error', error.message);
      return error.exit;
    }
    if (error instanceof UsageError) {
      this.#tell('error', `${error.message} (see dlock --help)`);
      return exits.usage;
    }
    if (error instanceof RangeError || error instanceof TypeError) {
      this.#messages.error(`${error.message} (see dlock --help)`);
      return exits.usage;
    }
    throw error;
  }

  #tell(kind: 'error' | 'say' | 'detail', text: string): void {
    this.#messages[kind](`${lockNamed(this.#settings.name)}: ${text}`);
  }
}
