/** What a Redis server has carried out, by its `INFO commandstats`. */

/** How often it ran scripts, by their text or their digest. */
export function scriptCallsIn(stats: string): number {
  return callsIn(stats, 'eval') + callsIn(stats, 'evalsha');
}

export function callsIn(stats: string, command: string): number {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}
