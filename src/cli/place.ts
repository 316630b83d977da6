/** What the command knows of a store by its URL, before it is opened: one kind of places for each family. */
import type { LockStore } from '../index.js';

/** A store with its time limit of one answer. */
export type OpenStore = LockStore & { readonly timeout: number };

/** What the command sets of the options that stores with keys have. */
export interface KeyOptions {
  readonly prefix?: string;
}

/** Opens the store of one place. @throws UnusableStore. */
export type Open = (options: KeyOptions) => Promise<OpenStore>;

/** Where a store is. */
export interface Place {
  /** Its URL as messages name it: with its defaults, and without its credentials. */
  readonly name: string;
  /**
   * What tells one server or directory from another, however it is spelled: two places that share one of
   * these are the same. The databases of one server are: they fail together.
   */
  identities(): string[];
  /** @throws UsageError, TypeError or RangeError for what the store does not take; nothing is connected. */
  check(options: KeyOptions): void;
  /** Whether opening it takes an answer of the server. Otherwise the first request connects. */
  readonly connects: boolean;
  /** Whether its locks can be shared. */
  readonly shares: boolean;
  /** Loads the client that it needs. @throws UnusableStore where that is not installed. */
  load(): Promise<Open>;
}

/** A family of stores, by how their URLs begin. */
export interface Kind {
  /** As messages name them, such as `redis://`. */
  readonly schemes: readonly string[];
  /** @throws UsageError, never with a password in it. */
  read(url: string): Place;
}
