/** Many runs, made up and shrunk by fast-check. */
import fc from 'fast-check';
import { type MakeCore, play } from './run.js';
import type { Script } from './script.js';

export interface Simulation {
  /** What is played. */
  readonly scripts: fc.Arbitrary<Script>;
  readonly runs: number;
  /** As a failure names it, to repeat it. */
  readonly seed?: number;
  readonly path?: string;
  /** Ends with the first failure, without looking for a simpler one. Default: false. */
  readonly hasty?: boolean;
}

export interface Findings {
  readonly runs: number;
  /** What failed, how to repeat it, and what led to it. */
  readonly failure: string | undefined;
  readonly error: unknown;
  /** How many runs a second, and in how many of them what occurred. */
  readonly figures: string[];
}

export async function simulate(
  makeCore: MakeCore,
  { scripts, runs, seed, path, hasty = false }: Simulation,
): Promise<Findings> {
  const counts = new Map<string, number>();
  const start = performance.now();
  let played = 0;
  const property = fc.asyncProperty(scripts, async (script) => {
    played += 1;
    for (const kind of await play(makeCore, script)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  });
  const details = await fc.check(property, {
    numRuns: runs,
    endOnFailure: hasty,
    ...(seed !== undefined && { seed }),
    ...(path !== undefined && { path }),
  });
  const seconds = (performance.now() - start) / 1_000;
  const { numRuns, errorInstance: error, counterexample } = details;
  const shares = [...counts].sort((a, b) => b[1] - a[1]);
  const figures = [
    `${played} runs in ${seconds.toFixed(1)} s, ${(played / seconds).toFixed(0)} a second`,
    ...shares.map(
      ([kind, count]) => `${((100 * count) / played).toFixed(1).padStart(5)} % ${kind}`,
    ),
  ];
  const failure = counterexample
    ? `${error}

DLOCK_SIMULATION_SEED=${details.seed} DLOCK_SIMULATION_PATH=${details.counterexamplePath}

${hasty ? '' : await story(makeCore, counterexample[0])}`
    : undefined;
  return { runs: numRuns, failure, error, figures };
}

/** What happens in a run, line by line, and the script that it played. */
export async function story(makeCore: MakeCore, script: Script): Promise<string> {
  const lines: string[] = [];
  await play(makeCore, script, (line) => lines.push(line)).catch(() => {});
  return [...lines, '', JSON.stringify(script)].join('\n');
}
