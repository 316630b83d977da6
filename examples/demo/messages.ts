/** What the demo and its servers tell each other, and the one clock that all of them go by. */
import { setTimeout as sleep } from 'node:timers/promises';

/** To a server: work through one hour. Times are in milliseconds, moments by {@link now}. */
export interface Shift {
  readonly wake: number;
  /** Until when a server that was refused tries again. */
  readonly until: number;
  readonly minHold: number;
}

/** From a server: what just happened, and when. */
export type Report = { readonly at: number } & Happening;

export type Happening =
  | { readonly type: 'ready' | 'woke' | 'refused' | 'done' | 'asleep' }
  | { readonly type: 'granted'; readonly fence?: number | undefined }
  | { readonly type: 'failed'; readonly message: string };

/**
 * Milliseconds by the machine's monotonic clock. All its processes read the same, so that a late
 * message cannot hide that two imports overlapped.
 */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Never too early, unlike a timer, which counts whole milliseconds. */
export async function sleepUntil(moment: number): Promise<void> {
  while (now() < moment) await sleep(Math.ceil(moment - now()));
}
