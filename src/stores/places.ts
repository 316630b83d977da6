/** The rules of a store's queue, whatever it is kept in. All times are in milliseconds. */

/** How long a lock that was given back is promised to whoever is next: the time to ask for it. */
export const promiseLife = 1_000;

/**
 * When those behind the next ask by themselves, the first of them first: the next may be dead. By then the
 * promise has lapsed.
 */
export const alarms: readonly number[] = [promiseLife + 50, 2 * promiseLife + 50];

/** From here on it makes no difference how many stand before a place. */
export const farBehind = 60;

/**
 * How long a place is kept for somebody who says to ask again within `patience`. Those far behind may rest
 * for longer: a thousand processes that wait must not ask a thousand times in three seconds.
 */
export function keptFor(patience: number, ahead: number): number {
  return patience * Math.min(Math.max(ahead, 1), farBehind);
}
