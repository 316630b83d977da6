/** What the statements answer, whatever client has read it; all else is an error, and never a grant. */
import { shown } from '../../base/shown.js';

export function yesOrNo(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw unexpected(value);
}

/** A number, also in digits: clients can be set to give numbers as strings. */
export function numberOf(value: unknown): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw unexpected(value);
}

/** Milliseconds that are left; null: unknown. */
export function timeOf(value: unknown): number | undefined {
  return value === null ? undefined : Math.max(numberOf(value), 0);
}

export function unexpected(value: unknown): Error {
  return new TypeError(`unexpected answer ${shown(value)}`);
}
