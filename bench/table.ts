/** Tables of results, and how they and their numbers are written. */
import type { Spread } from './statistics.js';

export interface Table {
  readonly title: string;
  /** What was done, and what the columns mean. */
  readonly text: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function markdown({ title, text, columns, rows }: Table): string {
  const lines = [columns, columns.map((_, i) => (i === 0 ? ':--' : '--:')), ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  const written = lines.map(
    (line) => `| ${widths.map((width, i) => (line[i] ?? '').padEnd(width)).join(' | ')} |`,
  );
  return `### ${title}\n\n${text}\n\n${written.join('\n')}\n`;
}

/** Three figures that count, and no exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** The median, and where the middle half of the rounds lies. */
export function withSpread({ median, low, high }: Spread): string {
  return `${number(median)} (${number(low)}–${number(high)})`;
}
