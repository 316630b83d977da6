/** How messages show a value that was received; apart from the errors, which stores do not need. */

/** A value as messages show it, whatever it is: not everything can be made a string. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return Object(value) === value ? Object.prototype.toString.call(value) : String(value);
}
