/** Sets the wall clock of this process, as the library sees it, for a while. */
import { clock, useClock } from '../../src/base/clock.js';

export const day = 24 * 3_600_000;

/** Runs `body` while the wall clock is `ahead` milliseconds ahead, or behind if negative. */
export async function withWallClock<T>(ahead: number, body: () => Promise<T>): Promise<T> {
  const real = clock;
  useClock({ ...real, wall: () => real.wall() + ahead });
  try {
    return await body();
  } finally {
    useClock(real);
  }
}
