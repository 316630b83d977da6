/** How messages write what they name: texts, locks, times. */

/** A text that somebody chose: in quotation marks, control characters escaped, not endlessly long. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

/** A lock, or a period of it, as the errors of the library name it. */
export function lockOf(name: string, period?: string): string {
  return `lock ${quoted(name)}${period === undefined ? '' : `, period ${quoted(period)}`}`;
}

/** A time as people write it: two digits of the largest unit that fits. */
export function durationOf(milliseconds: number): string {
  const seconds = milliseconds / 1_000;
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3_600)} h`;
}
