/**
 * The errors that callers can tell apart: by `code`, or by `instanceof`, which also holds between
 * the ESM and the CJS copy of this package in one process.
 */
import { shown } from './shown.js';

export { shown };

/** What an error of Dlock is about. */
export interface DlockErrorOptions {
  /** The whole name of the lock. */
  readonly lock: string;
  readonly cause?: unknown;
}

/** Any error of Dlock, except those for invalid arguments (`TypeError`, `RangeError`). */
export class DlockError extends Error {
  static {
    brand(DlockError, 'DlockError');
  }

  /** Stable: `ERR_DLOCK_STORE`, `ERR_DLOCK_LEASE_LOST`, `ERR_DLOCK_TIMEOUT`. */
  readonly code: string;
  /** The whole name of the lock, for programs; messages shorten it. */
  readonly lock: string;

  constructor(code: string, message: string, { lock, ...options }: DlockErrorOptions) {
    super(message, options);
    this.code = code;
    this.lock = lock;
  }
}

/** A request to a store. */
export type Operation = 'acquire' | 'extend' | 'release';

/**
 * `ERR_DLOCK_STORE`: the store was unreachable, refused the request, took too long, or left the
 * outcome in doubt. `cause` is the error of the store's client. It never means "held by another".
 */
export class StoreError extends DlockError {
  static {
    brand(StoreError, 'StoreError');
  }

  /** What the store was asked to do: `acquire`, `extend` or `release`. */
  readonly operation: Operation;

  constructor(message: string, options: DlockErrorOptions & { readonly operation: Operation }) {
    const { operation, ...rest } = options;
    super('ERR_DLOCK_STORE', message, rest);
    this.operation = operation;
  }
}

/** `ERR_DLOCK_LEASE_LOST`: the lease is no longer held. That is final. */
export class LeaseLostError extends DlockError {
  static {
    brand(LeaseLostError, 'LeaseLostError');
  }

  constructor(message: string, options: DlockErrorOptions) {
    super('ERR_DLOCK_LEASE_LOST', message, options);
  }
}

/** `ERR_DLOCK_TIMEOUT`: `wait` ran out while the lock was held. */
export class AcquireTimeoutError extends DlockError {
  static {
    brand(AcquireTimeoutError, 'AcquireTimeoutError');
  }

  constructor(message: string, options: DlockErrorOptions) {
    super('ERR_DLOCK_TIMEOUT', message, options);
  }
}

/**
 * Marks the instances of `type` with a symbol that all copies of this package share, and lets
 * `instanceof` look for the mark. Classes that users derive from ours are told apart as usual.
 */
function brand(type: abstract new (...args: never) => Error, name: string): void {
  const mark = Symbol.for(`dlock-js.${name}`);
  Object.assign(type.prototype, { name, [mark]: true });
  Object.defineProperty(type, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== type) return Function.prototype[Symbol.hasInstance].call(this, value);
      return typeof value === 'object' && value !== null && mark in value;
    },
  });
}

/**
 * What an error says, whatever was thrown. Failed attempts at several addresses of one host come as
 * an AggregateError without a message, and some clients put the reason into `code` or `cause`, or the
 * name of the class alone.
 */
export function reasonOf(error: unknown): string {
  const { message, errors, code, cause } = Object(error) as Partial<Record<string, unknown>>;
  if (typeof message === 'string' && message !== '') return message;
  if (Array.isArray(errors) && errors.length > 0) return errors.map(reasonOf).join('; ');
  if (typeof code === 'string' && code !== '') return code;
  if (cause !== undefined && cause !== error) return reasonOf(cause);
  return error instanceof Error ? (error.constructor?.name ?? shown(error)) : shown(error);
}
