/** How much chaos: for minutes at a developer's, and for seconds in continuous integration. */
import type { Plan } from './machine.js';

/** A few locks that are fought over, all faults often. */
export const chaos: Plan = {
  workers: 8,
  mortals: 8,
  contenders: 4,
  rest: 50,
  locks: 4,
  limits: [1],
  ttl: 1_000,
  timeout: 700,
  faults: {
    'worker killed': 3_000,
    'worker frozen': 700,
    'server frozen': 8_000,
    'connection cut': 700,
    'all cut': 7_000,
    unreachable: 10_000,
  },
};

/** The same among writers, who want a lock alone, readers, of whom there may be any number, and some of a few. */
export const together: Plan = { ...chaos, limits: [1, 2, 3, Infinity] };

/** Many locks, and workers of whom half live long enough to show what they leak. */
export const soak: Plan = {
  workers: 20,
  mortals: 10,
  contenders: 10,
  rest: 1_000,
  locks: 200,
  limits: [1],
  ttl: 5_000,
  timeout: 2_000,
  faults: {
    'worker killed': 30_000,
    'worker frozen': 10_000,
    'server frozen': 60_000,
    'connection cut': 5_000,
    'all cut': 60_000,
    unreachable: 60_000,
  },
};
