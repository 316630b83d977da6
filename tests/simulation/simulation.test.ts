/**
 * The core in a simulated world, over one store and over a quorum of three: whatever befalls messages,
 * clocks, processes and servers, no promise is broken.
 *
 * A few runs are always the same, so that no change is blamed for what it did not do. More of them,
 * each time others, are made with `DLOCK_SIMULATION_RUNS`. A run that fails is shrunk and told, step
 * by step, and repeated with the `DLOCK_SIMULATION_SEED` and `DLOCK_SIMULATION_PATH` that it names.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { compileCore } from './core.js';
import { coreMutants } from './core-mutants.js';
import { found } from './found.js';
import { quorumMutants } from './quorum-mutants.js';
import { play } from './run.js';
import { scripts, scriptsForQuorum, scriptsForSeveral } from './script.js';
import { severalMutants } from './several-mutants.js';
import { sharingMutants } from './sharing-mutants.js';
import { simulate, story } from './simulate.js';

const {
  DLOCK_SIMULATION_RUNS: runs,
  DLOCK_SIMULATION_SEED: seed = runs ? undefined : '1',
  DLOCK_SIMULATION_PATH: path,
} = process.env;

for (const [title, kind, usual] of [
  ['no promise is broken', scripts, 2_000],
  ['no promise is broken to who takes several locks, or leads', scriptsForSeveral, 200],
  ['no promise is broken by a quorum of three', scriptsForQuorum, 200],
] as const) {
  test(title, async (context) => {
    const { failure, figures } = await simulate(await compileCore(), {
      scripts: kind,
      runs: Number(runs ?? usual),
      ...(seed && { seed: Number(seed) }),
      ...(path && { path }),
    });
    for (const figure of figures) context.diagnostic(figure);
    if (failure) assert.fail(failure);
  });
}

describe('violations that were found stay mended', () => {
  for (const { title, script } of found) {
    test(title, async () => {
      await play(await compileCore(), script);
    });
  }
});

test('each mutant breaks one place that there is', async () => {
  for (const { name, file, text } of [
    ...coreMutants,
    ...sharingMutants,
    ...severalMutants,
    ...quorumMutants,
  ]) {
    const source = await readFile(new URL(`../../src/${file}`, import.meta.url), 'utf8');
    assert.equal(source.split(text).length - 1, 1, `${name}: ${text} in ${file}`);
  }
});

test('a seed repeats a run, down to its tokens and pauses', async () => {
  const makeCore = await compileCore();
  for (const script of fc.sample(scripts, { seed: 1, numRuns: 50 })) {
    assert.equal(await story(makeCore, script), await story(makeCore, script));
  }
});
