/**
 * The contract between the core and a store, the whole of it. A class that fits {@link LockStore}
 * is a store; it imports nothing of Dlock but these types.
 */

/**
 * Where locks live: a thin layer over the atomic operations of a system that all servers share.
 *
 * A store answers, or throws what its client throws. It never answers when it does not know: a reply that is
 * not exactly one of those it expects is an error, neither a grant nor a refusal. The core limits the time of
 * every call, repeats it where that is sound, and wraps its errors once.
 */
export interface LockStore {
  /** Time to live of a lease that specifies none, in milliseconds. Default: 30 000. */
  readonly ttl?: number | undefined;
  /** The longest wait for one answer, in milliseconds. Default: 5 000. */
  readonly timeout?: number | undefined;
  /** The longest life that the store can represent, in milliseconds. Default: no limit. */
  readonly maxTtl?: number | undefined;
  /**
   * False while the client is known to have no connection to the server; the error of a request without an
   * answer then says so. Optional.
   */
  readonly connected?: boolean | undefined;

  /**
   * True: requests are as a rule carried out in the order in which they were made, as on one connection. The
   * next waiter in the same process then asks right behind a release, without waiting for its answer, which
   * saves a round trip. Default: false; where a release takes several steps, such a request is in vain.
   */
  readonly ordered?: boolean | undefined;

  /**
   * `unlimited`: `acquireShared` lets in any number of holders, but cannot enforce a finite limit. Absent if
   * it can.
   */
  readonly limits?: 'unlimited' | undefined;

  /**
   * Gives the lock to `token` for `ttl` milliseconds (rounded up to what the store can represent) if nobody
   * holds it, in one atomic step. A token that already holds the lock is granted it again, its life
   * unchanged: so a request whose reply was lost can be repeated.
   *
   * `patience` says that the caller waits, has opened a watch, and asks again with the same token within that
   * many milliseconds, or within `placeFor` of the refusal. A store that keeps a queue then gives the token
   * the last place in it, once, and on a release gives the lock only to the first place: a refusal may also
   * mean that the lock is promised. All other stores ignore it.
   */
  acquire(name: string, token: string, ttl: number, patience?: number): Promise<Attempt>;

  /**
   * Gives the lock to `token` beside others, if fewer than `limit` hold it and nobody holds it alone, that
   * is, by `acquire`. `limit` is that of the caller: a whole number of at least 2, or `Infinity`. Otherwise
   * as `acquire`; a token is always requested by the same method, and `extend` and `release` find it either
   * way. Each holder has a life of its own, and `retryAfter` is the time until the first of them ends. All
   * stand in one queue: a request that finds others in it goes behind them, unless nobody holds the lock.
   *
   * Optional: without it, the lock is for one at a time.
   */
  acquireShared?:
    | ((
        name: string,
        token: string,
        ttl: number,
        limit: number,
        patience?: number,
      ) => Promise<Attempt>)
    | undefined;

  /**
   * Sets the remaining life to `ttl` milliseconds, up or down, if `token` still holds the lock, in one atomic
   * step. Resolves to false if it does not; then nothing was changed or created.
   *
   * `limit` is the one with which the token acquired the lock. A store made of other stores needs it to take
   * the lock again in those that have lost it; all other stores ignore it.
   */
  extend(name: string, token: string, ttl: number, limit?: number): Promise<boolean>;

  /**
   * Frees the lock if `token` still holds it, in one atomic step. Resolves to false if it does not; then
   * nothing was changed, except that a waiting token has given up its place.
   *
   * `heir` is a token that asks right behind, with patience: a process that holds the lock alone may serve a
   * few of its own waiters before others have their turn. A store that keeps a queue promises the lock to the
   * heir, instead of to the first place. All other stores ignore it.
   */
  release(name: string, token: string, heir?: string): Promise<boolean>;

  /**
   * Calls `wake` when the lock may have come free, from when the promise resolves until the result is
   * disposed of. Optional, and a hint: it may wake in vain, and if it wakes too rarely or is unavailable,
   * waiting processes ask more often.
   */
  watch?: ((name: string, wake: (news?: News) => void) => Promise<AsyncDisposable>) | undefined;

  /**
   * Passes the lock from `token` to `heir`, for `ttl` milliseconds, by `query`, which belongs to a
   * transaction of the caller: it takes effect if that commits, and nobody else can take the lock before that
   * has ended. Resolves to false if `token` does not hold the lock by the clock of the server; then nothing
   * was changed. It repeats nothing, since after an error the transaction must be rolled back.
   *
   * Optional, for a store whose locks live in a database: with it, `once` records what is done in the
   * transaction that does it.
   */
  record?:
    | ((query: Query, name: string, token: string, heir: string, ttl: number) => Promise<boolean>)
    | undefined;

  /**
   * Resolves once background work of the store has ended, such as revoking what nobody uses any more.
   * Optional: most stores have none.
   */
  settled?: (() => Promise<void>) | undefined;
}

/**
 * Sends one statement, in the dialect and with the placeholders of the store's own client, and resolves to
 * the result, in whatever form the caller's client returns it.
 */
export type Query = (text: string, values: unknown[]) => Promise<unknown>;

/**
 * What a store that keeps a queue says when it wakes a process: `token` is the one whose turn it is, if the
 * store knows, so that no other need ask; `after` says that it is worth asking in that many milliseconds,
 * unless other news comes first.
 */
export interface News {
  readonly token?: string | undefined;
  readonly after?: number | undefined;
}

/**
 * The answer to {@link LockStore.acquire} and {@link LockStore.acquireShared}.
 *
 * `fence` strictly grows from one holder of a name to the next; absent where the store cannot promise that.
 * `retryAfter` is the time until the holder's life ends, in milliseconds, where the store knows it; in a
 * queue, only the first place gets it. `holder` is any text that differs from one holder to the next; a store
 * that wakes nobody should give it, since waiting processes then ask more often while the lock changes hands.
 * `placeFor` says that the token has a place in the store's queue, and for how many milliseconds it is kept
 * unless the token asks again: at least the `patience` that was given, longer for those far behind.
 */
export type Attempt =
  | { granted: true; fence?: number | undefined }
  | {
      granted: false;
      retryAfter?: number | undefined;
      holder?: string | undefined;
      placeFor?: number | undefined;
    };
