/**
 * Locks in a table of PostgreSQL, through pg, postgres.js, or any function that sends a query.
 *
 * @module dlock-js/postgres
 */
import { createHash, randomBytes } from 'node:crypto';
import { within } from '../../base/time-limit.js';
import type { Attempt, LockStore, News, Query } from '../../store.js';
import { type KeyedStoreOptions, readOptions, textPrefixes } from '../options.js';
import { checkMarkedRequest } from '../requests.js';
import { Sweep } from '../sweep.js';
import { accessTo } from './access.js';
import { numberOf, timeOf, unexpected, yesOrNo } from './answers.js';
import type { PgListener, PostgresClient } from './clients.js';
import { PostgresListener } from './listener.js';
import { Relay, type Runner } from './relay.js';
import { createTable, defaultTable, quotedTable } from './schema.js';
import { Table } from './table.js';

export type {
  PGliteClient,
  PgClient,
  PgListener,
  PostgresClient,
  PostgresJsClient,
  PostgresQuery,
} from './clients.js';

/** `prefix` must not begin with NUL. */
export interface PostgresStoreOptions extends KeyedStoreOptions {
  /** The table of the locks, or `schema.table`: letters, digits and _; case counts. Default: `dlock_locks`. */
  table?: string | undefined;
  /**
   * Makes a client of pg, not connected yet, by which waiting processes are woken. It must lead to the same
   * database, and directly, not through a pooler. Default: a connection like those of the client, if that is
   * one of pg, postgres.js or PGlite; for all others none, so that waiting processes ask more often.
   */
  listener?: (() => PgListener) | undefined;
}

/** The statement that creates the table, for a migration. */
export function schema(table: string = defaultTable): string {
  return createTable(quotedTable('schema()', table));
}

/**
 * Locks shared by everything that uses the same table. A lock is a row, whose key is the SHA-256 of prefix +
 * name. Needs PostgreSQL 12 or later, and the table, see {@link schema}.
 *
 * The client still belongs to the caller. Each operation must be a transaction of its own: pass a pool, not a
 * client in the middle of a transaction. While somebody waits for a lock, the store keeps one additional
 * connection, by which it is woken.
 */
export class PostgresStore implements LockStore {
  readonly ttl: number;
  readonly timeout: number;
  readonly ordered: boolean;
  readonly #prefix: string;
  readonly #channel: string;
  readonly #table: Table;
  readonly #sweep: Sweep;
  /** None where two callers may mean different databases. */
  readonly #relay: Relay | undefined;
  readonly #listener: PostgresListener | undefined;

  /** @throws TypeError or RangeError for another client, or invalid options. */
  constructor(client: PostgresClient, options?: PostgresStoreOptions) {
    const limits = { prefix: textPrefixes, others: ['table', 'listener'] };
    const { prefix, ttl, timeout } = readOptions('PostgresStore', options, limits);
    const { table = defaultTable, listener } = options ?? {};
    const { query, openListener, isSameForAll } = accessTo(client, listener);
    this.ttl = ttl;
    this.timeout = timeout;
    this.ordered = isSameForAll;
    this.#relay = isSameForAll ? new Relay(timeout) : undefined;
    this.#prefix = prefix;
    this.#table = new Table(query, table, timeout);
    this.#sweep = new Sweep(() => this.#table.run('sweep'));
    this.#channel = table.split('.').at(-1) ?? table;
    if (!openListener) return;
    const mailbox = `dlock_${randomBytes(16).toString('hex')}`;
    this.#listener = new PostgresListener({
      open: openListener,
      channels: [mailbox, this.#channel],
      notify: (channel, payload) => this.#table.run('notify', channel, payload),
      timeout,
    });
  }

  async acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt> {
    checkMarkedRequest('acquire', token, ttl);
    const runner = { token, ttl };
    const [key, shownName] = this.#lock(name);
    const passed = (await this.#relay?.take(key, runner)) ?? (await this.#answerCall(key, runner));
    if (passed !== undefined) return { granted: true, fence: passed };
    if (patience !== undefined && this.#listener?.mailbox) {
      return this.#acquireInTurn(name, token, ttl, 1, patience);
    }
    const [row] = await this.#table.run('acquire', key, shownName, token, `${ttl}`);
    const [holder, fence, life] = [row?.token, numberOf(row?.fence), numberOf(row?.life)];
    if (typeof holder !== 'string' || fence < 1) throw unexpected(row);
    if (holder === token) return { granted: true, fence };
    return { granted: false, retryAfter: Math.max(life, 0), holder: holder.slice(0, 8) };
  }

  async acquireShared(
    name: string,
    token: string,
    ttl: number,
    limit: number,
    patience?: number,
  ): Promise<Attempt> {
    checkMarkedRequest('acquire', token, ttl);
    await this.#relay?.followed(this.#key(name));
    return this.#acquireInTurn(name, token, ttl, limit, patience);
  }

  async #acquireInTurn(
    name: string,
    token: string,
    ttl: number,
    limit: number,
    patience = 0,
  ): Promise<Attempt> {
    const mailbox = this.#listener?.mailbox;
    const most = Math.min(limit, Number.MAX_SAFE_INTEGER);
    const bid = [`${ttl}`, `${most}`, `${mailbox ? patience : 0}`, mailbox ?? ''];
    const lock = this.#lock(name);
    const ask = () => this.#table.run('acquireInTurn', ...lock, token, idOf(token), ...bid);
    // No answer: the lock's row was made at the same moment, too late to be seen.
    const row = (await ask())[0] ?? (await ask())[0];
    if (yesOrNo(row?.granted)) return { granted: true, fence: numberOf(row?.fence) };
    return { granted: false, retryAfter: timeOf(row?.life), placeFor: timeOf(row?.kept) };
  }

  /** Whoever was called need not look whether it is its turn. */
  async #answerCall(key: string, runner: Runner): Promise<number | undefined> {
    if (!this.#listener?.wasCalled(key)) return undefined;
    const id = idOf(runner.token);
    return this.#pass(key, `>${id}`, runner, id);
  }

  /** @param id of the runner, if it may go past others who wait. */
  async #pass(
    key: string,
    from: string,
    { token, ttl }: Runner,
    id = '',
  ): Promise<number | undefined> {
    const [row] = await this.#table.run('relay', key, from, token, id, `${ttl}`);
    return row && numberOf(row.fence);
  }

  async extend(name: string, token: string, ttl: number): Promise<boolean> {
    checkMarkedRequest('extend', token, ttl);
    const [row] = await this.#table.run('extend', this.#key(name), token, `${ttl}`);
    return yesOrNo(row?.ours);
  }

  async release(name: string, token: string, heir?: string): Promise<boolean> {
    checkMarkedRequest('release', token, 0);
    const key = this.#key(name);
    this.#sweep.begin();
    const release = () => this.#release(key, token, heir);
    if (!this.#relay) return release();
    const pass = (runner: Runner) => this.#pass(key, token, runner, heir && idOf(heir));
    return this.#relay.release(key, { heir, pass, release });
  }

  async #release(key: string, token: string, heir: string | undefined): Promise<boolean> {
    if (heir === undefined) {
      const [row] = await this.#table.run('release', key, token, this.#channel);
      if (row) return yesOrNo(row.ours);
    }
    const ids = [idOf(token), heir === undefined ? '' : idOf(heir)];
    const [row] = await this.#table.run('releaseInTurn', key, token, ...ids, this.#channel);
    return row !== undefined && yesOrNo(row.ours);
  }

  /** A transaction with repeatable reads fails with a serialization error if the lock has since changed. */
  record(query: Query, name: string, token: string, heir: string, ttl: number): Promise<boolean> {
    return this.#table.pass(query, this.#key(name), token, heir, `${ttl}`);
  }

  async watch(name: string, wake: (news?: News) => void): Promise<AsyncDisposable> {
    if (!this.#listener) throw new Error('This client cannot listen');
    const [key, shownName] = this.#lock(name);
    const watch = await this.#listener.watch(key, wake);
    try {
      // A client may keep it, like one that lost its server, and never say so.
      const noted = this.#table.run('watch', key, shownName);
      await within(this.timeout, 'not watching', noted, 'idle');
      return watch;
    } catch (error) {
      await watch[Symbol.asyncDispose]();
      throw error;
    }
  }

  settled(): Promise<void> {
    return this.#sweep.settled();
  }

  /** Text cannot hold every name, nor an index a long one; and a collation might call two the same. */
  #key(name: string): string {
    return createHash('sha256')
      .update(this.#prefix + name)
      .digest('hex');
  }

  /** The key, and for people the name, as far as every database can hold it. */
  #lock(name: string): [key: string, shown: string] {
    const text = (this.#prefix + name).slice(0, 100);
    return [this.#key(name), text.replace(/[^ -~]/g, '?')];
  }
}

/** By which those who wait know a token: who knows the token itself could release its lock. */
function idOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 32);
}
