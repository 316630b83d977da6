/**
 * The core in a simulated world: whatever befalls messages, clocks and processes, no promise is broken.
 *
 * `DLOCK_SIMULATION_RUNS` sets how many runs. A run that fails is shrunk and told, step by step, and
 * repeated with the `DLOCK_SIMULATION_SEED` and `DLOCK_SIMULATION_PATH` that it names.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileCore } from './core.js';
import { simulate } from './simulate.js';

const {
  DLOCK_SIMULATION_RUNS: runs = '2000',
  DLOCK_SIMULATION_SEED: seed,
  DLOCK_SIMULATION_PATH: path,
} = process.env;

test('no promise is broken', async (context) => {
  const { failure, figures } = await simulate(await compileCore(), {
    runs: Number(runs),
    ...(seed && { seed: Number(seed) }),
    ...(path && { path }),
  });
  for (const figure of figures) context.diagnostic(figure);
  if (failure) assert.fail(failure);
});
