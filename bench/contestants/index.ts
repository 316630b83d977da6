/** Everybody who is measured, in the order of the tables. */
import { asyncMutex } from './async-mutex.js';
import type { Ability, Contestant } from './contestant.js';
import { dlock } from './dlock.js';
import { engines } from './engines.js';
import { raw } from './raw.js';
import { redisSemaphore } from './redis-semaphore.js';
import { redlock } from './redlock.js';
import { redlockUniversal } from './redlock-universal.js';
import { simpleRedisMutex } from './simple-redis-mutex.js';
import { verrou } from './verrou.js';

const all: readonly Contestant[] = [
  ...dlock,
  redlock,
  redisSemaphore,
  verrou,
  redlockUniversal,
  simpleRedisMutex,
  ...raw,
  asyncMutex,
];

/** For a look at some of them: a part of their names. */
const { DLOCK_BENCH_CONTESTANTS: part = '' } = process.env;
export const contestants = all.filter(({ name }) => name.includes(part));

export function contestantNamed(name: string): Contestant {
  const contestant = [...contestants, ...engines].find((each) => each.name === name);
  if (!contestant) throw new RangeError(`There is no contestant ${name}`);
  return contestant;
}

/**
 * Those who can do what a measure asks for; the others give the reason why not, but for the bare
 * clients, which are no peers.
 */
export function able(...abilities: Ability[]) {
  const reasonOf = ({ lacks }: Contestant) => abilities.map((each) => lacks[each]).find(Boolean);
  return {
    able: contestants.filter((contestant) => !reasonOf(contestant)),
    unable: contestants
      .filter((contestant) => reasonOf(contestant) && !contestant.name.startsWith('raw'))
      .map((contestant) => ({ name: contestant.name, reason: reasonOf(contestant) as string })),
  };
}
