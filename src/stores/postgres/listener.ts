/**
 * Wake-ups from PostgreSQL: one connection for all locks of a store, open while somebody watches. What is for
 * this store alone comes by its mailbox, a channel of its own; what is for all who watch a lock, by the channel
 * of the table.
 */
import { clock, idlePause } from '../../base/clock.js';
import { growingPauses } from '../../base/pauses.js';
import type { News } from '../../store.js';
import { Session, type Way } from './session.js';

type Wake = (news?: News) => void;

/**
 * Between the attempts to open a connection, in milliseconds. Behind a pooler they are all in vain; but where one has
 * been proved, another can be, once the server is back.
 */
const pausesBeforeProof = () => growingPauses(1_000, 60_000);
const pausesAfterProof = () => growingPauses(1_000, 5_000);

export class PostgresListener {
  readonly #way: Way;
  /** Those who watch, by the key of the lock. */
  readonly #audiences = new Map<string, Set<Wake>>();
  /** The locks that are promised to this store. */
  readonly #calls = new Set<string>();
  #session: Session | undefined;
  #pauses = pausesBeforeProof();
  /** Why there is no connection, and when the next may be opened, by the monotonic clock. */
  #trouble: unknown;
  #openAt = -Infinity;

  constructor(way: Way) {
    this.#way = way;
  }

  /** Resolves once notifications have been heard. */
  async watch(lock: string, wake: Wake): Promise<AsyncDisposable> {
    const audience = this.#audiences.get(lock) ?? new Set();
    this.#audiences.set(lock, audience);
    // A function of its own, so that the same one may watch twice.
    const own = (news?: News) => wake(news);
    audience.add(own);
    const stop = async () => {
      if (audience.delete(own) && audience.size === 0) this.#leave(lock, audience);
    };
    try {
      await this.#listen();
      return { [Symbol.asyncDispose]: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Where those who watch can be reached; undefined while that is not proved. */
  get mailbox(): string | undefined {
    return this.#session?.isProved ? this.#way.channels[0] : undefined;
  }

  watches(lock: string): boolean {
    return this.#audiences.has(lock);
  }

  /** Whether the lock was promised to this store since it was last asked. */
  wasCalled(lock: string): boolean {
    return this.#calls.delete(lock);
  }

  async #listen(): Promise<void> {
    if (!this.#session && clock.monotonic() < this.#openAt) throw this.#trouble;
    this.#session ??= this.#open();
    await this.#session.proved;
  }

  #open(): Session {
    const openedAt = clock.monotonic();
    const fail = (trouble: unknown, openAt: number) => {
      if (this.#session !== session) return;
      this.#session = undefined;
      this.#trouble = trouble;
      this.#openAt = openAt;
    };
    const session = new Session(this.#way, {
      heard: (payload) => this.#receive(payload),
      resumed: () => this.#wakeAll(),
      lost: () => {
        fail(new Error('The connection that listens was lost'), openedAt + 1_000);
        void this.#openAgain();
      },
    });
    session.proved.then(
      () => {
        this.#pauses = pausesAfterProof();
      },
      (error) => fail(error, clock.monotonic() + this.#pauses.next().value),
    );
    return session;
  }

  /** For those who watch all along; what was sent meanwhile has reached nobody. */
  async #openAgain(): Promise<void> {
    for (;;) {
      await idlePause(this.#openAt - clock.monotonic());
      if (this.#audiences.size === 0) return;
      try {
        await this.#listen();
        return this.#wakeAll();
      } catch {
        this.#wakeAll();
      }
    }
  }

  /**
   * After how many milliseconds to ask, and for which lock. 0: it is promised to this store; less: it is free for
   * everybody.
   */
  #receive(payload: string): void {
    const [ms = '', lock = ''] = payload.split(' ');
    if (ms === '0' && this.watches(lock)) this.#calls.add(lock);
    this.#wake(lock, Number(ms) > 0 ? { after: Number(ms) } : {});
  }

  #wakeAll(): void {
    for (const lock of this.#audiences.keys()) this.#wake(lock);
  }

  #wake(lock: string, news?: News): void {
    for (const wake of this.#audiences.get(lock) ?? []) wake(news);
  }

  /** The last of all closes the connection. */
  #leave(lock: string, audience: Set<Wake>): void {
    if (this.#audiences.get(lock) !== audience) return;
    this.#audiences.delete(lock);
    this.#calls.delete(lock);
    if (this.#audiences.size > 0) return;
    this.#session?.end();
    this.#session = undefined;
  }
}
