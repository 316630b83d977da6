/** The run of a period as its body sees it, which can record it in a transaction of its own. */
import { askToExtend, askToRelease, type Claim, newClaim, storeError } from '../asking/ask.js';
import { undo } from '../asking/undo.js';
import { requirements } from '../base/arguments.js';
import { warn } from '../base/events.js';
import { lockNamed } from '../base/names.js';
import type { Lease } from '../lease/lease.js';
import { Loss } from '../lease/loss.js';
import type { LeaseTicket } from '../lease/ticket.js';
import type { LockStore, Query } from '../store.js';

/** What the body of `once` can do about its period. */
export interface Run {
  /**
   * Marks the period as done through `query`, which sends a statement in a transaction of the caller, in the
   * database where the locks live. When that commits, both the results and the mark are there; otherwise
   * neither is. `once` then records nothing itself.
   *
   * ```ts
   * await once(store, 'import', period, async (lease, run) => {
   *   await transaction(async (query) => {
   *     await run.recordIn(query);
   *     await query('INSERT INTO ...', []);
   *   });
   * });
   * ```
   *
   * From then on, until the transaction ends, nobody else can run the period, however long that takes. It can
   * be called again if the transaction is retried.
   *
   * @param query sends one statement with its values, and resolves to what the caller's client returns.
   * @throws {@link LeaseLostError} this runner no longer holds its lease: let the transaction roll back.
   * @throws TypeError before any query: the store keeps its locks elsewhere.
   * @throws what `query` threw.
   */
  recordIn(query: Query): Promise<void>;
}

/** @throws TypeError for a body that wants to record its run where the store cannot. */
export function checkRecording(name: string, store: LockStore, body: { length: number }): void {
  if (body.length > 1) checkRecords(name, store);
}

function checkRecords(name: string, store: LockStore): NonNullable<LockStore['record']> {
  const { record } = store;
  const must = 'have `record`, for a body that takes `run`: its locks must live in a database';
  requirements(lockNamed(name))(TypeError, record !== undefined, 'The store', must, store);
  return (record as NonNullable<typeof record>).bind(store);
}

/** A run under two leases: that on the lock, and that on the period, which the record takes over. */
export class PeriodRun implements Run {
  readonly #lease: Lease;
  readonly #period: Lease;
  /** By which a done period is held. */
  readonly #done: Claim;
  /** Of the lease on the period, which is not renewed any more: it goes to the mark, or lapses. */
  #ticket: LeaseTicket | undefined;
  /** The last attempt. */
  #recording: Promise<void> | undefined;

  constructor(lease: Lease, period: Lease, done: Claim) {
    this.#lease = lease;
    this.#period = period;
    this.#done = done;
  }

  async recordIn(query: Query): Promise<void> {
    const record = checkRecords(this.#lease.name, this.#done.store);
    const isQuery = typeof query === 'function';
    const must = requirements(lockNamed(this.#done.name));
    must(TypeError, isQuery, 'The query', 'be a function', query);
    this.#recording = this.#record(record, query);
    this.#recording.catch(() => {}); // whoever called hears of it, and so does whoever called `once`
    return this.#recording;
  }

  async #record(record: NonNullable<LockStore['record']>, query: Query): Promise<void> {
    this.#lease.assertHeld();
    this.#ticket ??= this.#period.handOver();
    const { name, token, ttl } = this.#done;
    if (await record(query, name, this.#ticket.token, token, ttl)) return;
    throw new Loss(name).error('the store says that it is not ours');
  }

  /**
   * False: the body has not recorded it. True: it has, and nothing can undo that.
   *
   * @throws what the last `recordIn` threw, though the body did not.
   * @throws {@link StoreError} the transaction was rolled back, though the body did not fail.
   */
  async isRecorded(): Promise<boolean> {
    if (!this.#recording) return false;
    await this.#recording;
    // To extend by the known token is to ask for it.
    const committed = await askToExtend(this.#done, this.#done.ttl).catch((error: Error) => {
      // A store that is down now does not take away what was committed.
      warn(error.message, 'DLOCK_RECORD_IN_DOUBT');
      return true;
    });
    if (committed) {
      this.#ticket = undefined;
      return true;
    }
    const cause = new Error('the transaction that was to record it has not been committed');
    throw storeError(this.#done, 'acquire', cause);
  }

  /** Frees a period that was to be recorded and is not. One that is recorded has another token. */
  async giveBack(): Promise<void> {
    if (!this.#ticket) return;
    const { store, name, timeout } = this.#done;
    const { token, ttl } = this.#ticket;
    const claim = newClaim(store, name, token, { ttl, timeout });
    await askToRelease(claim).catch(() => void undo(claim));
  }
}
