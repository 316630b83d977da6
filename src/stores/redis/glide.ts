/**
 * Locks in Valkey or Redis, through Valkey GLIDE.
 *
 * @module dlock-js/valkey-glide
 */
import { checkOptions } from '../../base/arguments.js';
import { idlePause } from '../../base/clock.js';
import { growingPauses } from '../../base/pauses.js';
import { checkClient } from '../clients.js';
import type { KeyedStoreOptions } from '../options.js';
import { type GlideListener, openInbox } from './glide-inbox.js';
import { type RedisAccess, RedisLocks } from './locks.js';

export type { GlideListener };

/** The part of a client of GLIDE 2, a `GlideClient` or a `GlideClusterClient`, that the store needs. */
export interface GlideClient {
  /** Sends a command as it is; resolves to its reply. */
  customCommand(words: string[]): Promise<unknown>;
  /** Never called: it distinguishes clients of GLIDE from all others. */
  readonly invokeScript: unknown;
}

/** `prefix` must not begin with NUL. */
export interface GlideStoreOptions extends KeyedStoreOptions {
  /**
   * A client of the same servers by which waiting processes are woken, in the order in which they began to
   * wait. It is for Dlock alone, which reads all messages that come to it: it must have no callback for them,
   * and must not be the client of the store itself, since GLIDE 2.5 has been seen to mix up replies where it
   * subscribes in between. It may serve several stores. Default: none, and waiting processes ask more often.
   */
  listener?: GlideListener | undefined;
}

/**
 * Locks shared by everything that uses the same Valkey or Redis database, through any client: keys and
 * scripts are those of `RedisStore`. Needs Valkey, or Redis 6 or later.
 *
 * The client still belongs to the caller, and so does the `listener`.
 */
export class GlideStore extends RedisLocks {
  /** @throws TypeError or RangeError for another client, or invalid options. */
  constructor(client: GlideClient, options: GlideStoreOptions = {}) {
    checkClient('@valkey/valkey-glide', client);
    checkOptions('GlideStore', options, ['prefix', 'ttl', 'timeout', 'listener']);
    const { listener, ...others } = options;
    if (listener !== undefined) checkListener(listener, client);
    const access: RedisAccess = {
      // GLIDE takes as long for a script as for its digest, and would print a warning for each that the
      // server does not know.
      evaluate: (script, keys, args) =>
        ask(client, ['EVAL', script, `${keys.length}`, ...keys, ...args], keys[0]),
      openSubscriber: (events) => {
        if (!listener) throw new TypeError('GlideStore has no listener');
        return openInbox(listener, events);
      },
      // It does not say.
      isConnected: () => undefined,
      // The listener may have subscribed elsewhere than the client writes: at a replica, at another node.
      hasOneServer: false,
    };
    super('GlideStore', access, others);
  }
}

function checkListener(listener: object, client: object): void {
  checkClient('@valkey/valkey-glide', listener);
  if (listener !== client) return;
  throw new TypeError('listener of GlideStore must be another client than that of the store');
}

/**
 * GLIDE gives up a request after its own `requestTimeout`, by default 250 ms, though the server may still
 * carry it out once it has time for it. That must not count as failed before it is certain that this will
 * not happen any more.
 *
 * @param key a key of the command, by which a cluster finds the node.
 */
async function ask(client: GlideClient, words: string[], key = ''): Promise<unknown> {
  try {
    return await client.customCommand(words);
  } catch (error) {
    if (nameOf(error) === 'TimeoutError') await overtaken(client, key);
    throw error;
  }
}

/** Of the pauses between two questions, in milliseconds. */
const shortestPause = 100;
const longestPause = 5_000;

/**
 * Resolves once a later request to the same node has been answered, behind all that was sent before; or the
 * connection is gone, by which all that was sent before has come.
 */
async function overtaken(client: GlideClient, key: string): Promise<void> {
  for (const ms of growingPauses(shortestPause, longestPause)) {
    try {
      await client.customCommand(['EVAL', 'return 1', '1', key]);
      return;
    } catch (error) {
      if (['ConnectionError', 'ClosingError'].includes(nameOf(error))) return;
    }
    await idlePause(ms);
  }
}

function nameOf(error: unknown): string {
  return String((error as Partial<Error> | undefined)?.name);
}
