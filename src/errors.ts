/**
 * The errors that callers can tell apart: by `code`, or by `instanceof`, which also holds between
 * the ESM and the CJS copy of this package in one process.
 */

/** Any error of Dlock, but those of bad arguments (`TypeError`, `RangeError`). */
export class DlockError extends Error {
  static {
    brand(DlockError, 'DlockError');
  }

  /** Stable: `ERR_DLOCK_STORE`, `ERR_DLOCK_LEASE_LOST`, `ERR_DLOCK_TIMEOUT`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * `ERR_DLOCK_STORE`: the store was unreachable, refused the request, took too long, or left the
 * outcome in doubt. `cause` is the error of the store's client. It never means "held by another".
 */
export class StoreError extends DlockError {
  static {
    brand(StoreError, 'StoreError');
  }

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DLOCK_STORE', message, options);
  }
}

/** `ERR_DLOCK_LEASE_LOST`: the lease is not held any more. That is final. */
export class LeaseLostError extends DlockError {
  static {
    brand(LeaseLostError, 'LeaseLostError');
  }

  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DLOCK_LEASE_LOST', message, options);
  }
}

/** `ERR_DLOCK_TIMEOUT`: `wait` ran out while somebody else held the lock. */
export class AcquireTimeoutError extends DlockError {
  static {
    brand(AcquireTimeoutError, 'AcquireTimeoutError');
  }

  constructor(message: string, options?: ErrorOptions) {
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

/** A value as messages show it, whatever it is: not everything can be made a string. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return Object(value) === value ? Object.prototype.toString.call(value) : String(value);
}

/** A lock as messages name it: quoted, control characters escaped, not endlessly long. */
export function lockNamed(name: string): string {
  return `lock ${JSON.stringify(name.slice(0, 100))}`;
}
