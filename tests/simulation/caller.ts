/** The code of a process that uses the library, as a script has it. */
import type { AcquireOptions, Lease, LeaseTicket } from '../../src/index.js';
import { takeAll } from './group.js';
import { bodyFailed, Hands, lapse } from './hands.js';
import { lead } from './leader.js';
import type { Action, Take } from './script.js';
import { lock } from './server.js';
import type { Call, Tenure } from './tenure.js';
import { must } from './violation.js';

const period = 'period';

type RunBody = Action & { do: 'locked' | 'once' };

/** How long an adopted lease is held, in milliseconds. */
const adopted = 300;

export class Caller extends Hands {
  /** Nothing of it may fail but by what the library promises to throw. */
  async call(action: Action, other: (index: number) => Caller): Promise<void> {
    if (action.do === 'take') return this.#take(action);
    if (action.do === 'take all') return takeAll(this, action);
    if (action.do === 'lead') return lead(this, action);
    if (action.do === 'locked' || action.do === 'once') return this.#runBody(action);
    const tenure = this.tenures.findLast(({ fate }) => fate === 'open');
    if (!tenure) return;
    switch (action.do) {
      case 'extend':
        return this.#extend(tenure, action.ttl);
      case 'hand over':
        return this.#handOver(tenure, action, other(action.to));
      case 'look':
        return this.#look(tenure);
      case 'forget':
        return this.#forget(tenure);
    }
  }

  async #take(action: Take): Promise<void> {
    const { ttl, renew, wait, abortAfter } = action;
    const { core } = this.process;
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error('enough');
    this.judge.listensTo(this.process, signal);
    if (abortAfter !== undefined) this.process.later(abortAfter, () => controller.abort(reason));
    const limit = this.limitOf(action);
    const { timeout } = this.connection.store;
    const options = { ttl, renew, minHold: Math.min(action.minHold, ttl), signal, limit };
    const call =
      wait === 0
        ? this.judge.call(this.process, 'tryAcquire', { within: timeout, limit })
        : this.judge.call(this.process, 'acquire', { within: wait, line: lock, limit });
    await this.expecting(call, ['ERR_DLOCK_STORE', 'ERR_DLOCK_TIMEOUT', reason], async () => {
      const lease =
        wait === 0
          ? await core.tryAcquire(this.connection.store, lock, options)
          : await this.#acquire(call, { ...options, wait });
      if (!lease) {
        this.judge.toldHeld(call, lock);
        return this.world.tell('refused', this.process.name);
      }
      this.judge.served(call);
      const tenure = this.hold(lease, limit, action.observed);
      tenure.lapse = options.minHold;
      this.later(action.hold, () => this.#end(tenure, action.end));
    });
  }

  async #acquire(call: Call, options: AcquireOptions): Promise<Lease> {
    try {
      return await this.process.core.acquire(this.connection.store, lock, options);
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_DLOCK_TIMEOUT')
        this.judge.toldHeld(call, lock);
      throw error;
    }
  }

  async #end(tenure: Tenure, end: Take['end']): Promise<void> {
    if (tenure.fate === 'forgotten') return;
    const { lease } = tenure;
    this.world.tell(end, this.process.name, () => lease.token.slice(0, 4));
    const call = this.judge.call(this.process, end);
    if (end === 'dispose') {
      this.leave(tenure);
      await this.expecting(call, [], async () => lease[Symbol.asyncDispose]());
    } else {
      const after = end === 'lapse' ? lapse : 0;
      await this.expecting(call, ['ERR_DLOCK_STORE'], () => this.#release(tenure, after));
    }
    this.judge.hasLeft(tenure);
  }

  async #release(tenure: Tenure, after: number): Promise<void> {
    const { lease } = tenure;
    const parting = this.leave(tenure, after);
    const ours = await lease.release({ after });
    this.left(parting, ours);
    must((await lease.release()) === ours, 'release never lies', 'the second time');
  }

  async #extend({ lease }: Tenure, ttl: number | undefined): Promise<void> {
    const call = this.judge.call(this.process, 'extend');
    const errors = ['ERR_DLOCK_STORE', 'ERR_DLOCK_LEASE_LOST'];
    await this.expecting(call, errors, () => lease.extend(ttl));
  }

  #handOver(tenure: Tenure, { delay, ttl }: Action & { do: 'hand over' }, other: Caller): void {
    if (!this.holds(tenure)) return;
    tenure.fate = 'handed over';
    this.judge.handedOver(tenure);
    // Who adopts cannot know what the client of the last holder still keeps.
    this.connection.hurry();
    const handedOver = tenure.lease.handOver();
    const { limit = 1 } = handedOver;
    must(limit === tenure.limit, 'a ticket carries the limit', `${limit}`);
    const ticket = JSON.parse(JSON.stringify(handedOver));
    other.later(delay, () => other.#adopt(ticket, tenure.limit, ttl));
  }

  async #adopt(ticket: LeaseTicket, limit: number, ttl = ticket.ttl): Promise<void> {
    const call = this.judge.call(this.process, 'adopt', {
      within: this.connection.store.timeout,
    });
    await this.expecting(call, ['ERR_DLOCK_STORE'], async () => {
      const adopting = this.process.core.adopt(this.connection.store, ticket, { ttl });
      const lease = await adopting.catch((error) => {
        // The ticket may be tried again, for the whole of its time.
        if (ttl !== ticket.ttl) this.later(0, () => this.#adopt(ticket, limit));
        throw error;
      });
      if (!lease) return;
      this.world.tell('adopted', this.process.name);
      const tenure = this.hold(lease, limit, true);
      this.later(adopted, () => this.#end(tenure, 'release'));
    });
  }

  #look(tenure: Tenure): void {
    const held = this.holds(tenure);
    const { lease } = tenure;
    const same = lease.held === held && lease.remaining > 0 === held;
    must(same, 'held is by the clock', lease.token.slice(0, 4));
  }

  /** Drops the handle, and the signal with it: whoever keeps that has not forgotten the lease. */
  #forget(tenure: Tenure): void {
    if (!this.process.copy.forget(tenure.lease)) return;
    tenure.fate = 'forgotten';
    tenure.signal = undefined;
    this.judge.excuse(tenure, 'forgotten');
  }

  async #runBody(action: RunBody): Promise<void> {
    const { wait, ttl, body, do: what } = action;
    const limit = what === 'locked' ? this.limitOf(action) : 1;
    const { core } = this.process;
    const line = wait > 0 && what === 'locked' ? lock : undefined;
    const call = this.judge.call(this.process, what, { line, limit });
    let wasHeld: boolean | undefined;
    let left: Tenure | undefined;
    const run = async (lease: Lease) => {
      this.judge.served(call);
      if (what === 'once') this.judge.begins();
      const tenure = this.hold(lease, limit, false);
      await new Promise<void>((resolve) => this.process.later(body.ms, resolve));
      wasHeld = this.holds(tenure) || tenure.fate === 'handed over';
      tenure.leaving = wasHeld;
      left = tenure;
      if (tenure.fate === 'open') tenure.fate = 'released';
      if (body.fails) throw bodyFailed;
    };
    const bodyThrew = () => wasHeld !== undefined && body.fails;
    const errors = ['ERR_DLOCK_STORE', 'ERR_DLOCK_LEASE_LOST', bodyFailed];
    await this.expecting(call, errors, async () => {
      try {
        const outcome =
          what === 'locked'
            ? await core.locked(this.connection.store, lock, run, { wait, ttl, limit })
            : await core.once(this.connection.store, lock, period, run, { wait, ttl });
        if (outcome.ran) this.judge.ran(what, wasHeld === true && !body.fails);
        else if (outcome.reason === 'held' && what === 'locked') this.judge.toldHeld(call, lock);
      } catch (error) {
        const same = !bodyThrew() || error === bodyFailed;
        must(same, 'a body that threw rejects with what it threw', `${error}`);
        throw error;
      }
    });
    if (left) this.judge.hasLeft(left);
  }
}
