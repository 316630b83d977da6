/**
 * Breaks the core, and then the quorum, in one named way after another and lets the simulation find
 * out: a simulation that does not notice is too weak to prove anything. Ends with 1 if a mutant
 * survives. Arguments choose mutants by a part of their name or file, or `core`, `sharing`, `several` or
 * `quorum`.
 */
import { compileCore, type Mutation } from './core.js';
import { coreMutants } from './core-mutants.js';
import { found } from './found.js';
import { quorumMutants } from './quorum-mutants.js';
import { type MakeCore, play } from './run.js';
import { scripts, scriptsForQuorum, scriptsForSeveral } from './script.js';
import { severalMutants } from './several-mutants.js';
import { sharingMutants } from './sharing-mutants.js';
import { simulate } from './simulate.js';
import { Violation } from './violation.js';

export interface Mutant extends Mutation {
  readonly name: string;
}

/** How many runs a mutant has to survive, and the seed that makes them up. */
const { DLOCK_SIMULATION_RUNS: runs = '50000', DLOCK_SIMULATION_SEED: seed = '1' } = process.env;

const all = [
  ...coreMutants.map((mutant) => ({ ...mutant, broken: 'core', scripts })),
  ...sharingMutants.map((mutant) => ({ ...mutant, broken: 'sharing', scripts })),
  ...severalMutants.map((mutant) => ({ ...mutant, broken: 'several', scripts: scriptsForSeveral })),
  ...quorumMutants.map((mutant) => ({ ...mutant, broken: 'quorum', scripts: scriptsForQuorum })),
];
const chosen = process.argv.slice(2);
const mutants = all.filter(
  ({ name, file, broken }) =>
    chosen.length === 0 ||
    chosen.some((part) => part === broken || name.includes(part) || file.includes(part)),
);

const width = Math.max(...mutants.map(({ name }) => name.length));
let survivors = 0;
for (const { name, scripts, ...mutation } of mutants) {
  const makeCore = await compileCore([mutation]);
  const replayed = await replay(makeCore);
  const { runs: needed, error } = replayed
    ? { runs: 'played', error: replayed }
    : await simulate(makeCore, { scripts, runs: Number(runs), seed: Number(seed), hasty: true });
  const caught = error instanceof Violation ? error.promise : error && `${error}`.split('\n')[0];
  if (!error) survivors += 1;
  console.log(`${name.padEnd(width)}  ${`${needed}`.padStart(6)}  ${caught ?? 'SURVIVED'}`);
}
console.log(`${mutants.length - survivors} of ${mutants.length} mutants caught`);
if (survivors > 0) process.exitCode = 1;

/** What those scripts find that are played each time. */
async function replay(makeCore: MakeCore): Promise<unknown> {
  for (const { script } of found) {
    try {
      await play(makeCore, script);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}
