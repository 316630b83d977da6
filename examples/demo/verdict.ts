/** What is to be said of a demo when it is over: what happened, and whether it was right. */
import type { HourRecord, Run } from './hour.js';

/** A sentence, and whether it tells of what had to be. */
export interface Claim {
  readonly holds: boolean;
  readonly text: string;
}

export function summarize({ title, runs, refused }: HourRecord): string {
  const [first, second] = runs;
  if (!first) return `${title}  No server ran the import.`;
  if (first.ending !== 'killed') {
    const others = [...refused].sort().join(' and ');
    return `${title}  ${first.server} ran the import; ${others} stepped back.`;
  }
  const killed = `${title}  ${first.server} was killed in mid-import;`;
  if (!second) return `${killed} nobody took over.`;
  const after = ((second.begin - first.end) / 1_000).toFixed(1);
  return `${killed} ${second.server} took over ${after} s later.`;
}

/** Each hour had the imports that it should, and all servers but the first were refused. */
export function wentAsPlanned(hours: readonly HourRecord[]): Claim {
  const holds = hours.every(({ plan, runs, refused }) => {
    const endings = runs.map(({ ending }) => ending);
    const concerned = new Set([runs[0]?.server, ...refused]);
    return endings.join() === plan.join() && concerned.size === 3;
  });
  return { holds, text: holds ? 'Each hour went as planned.' : 'An hour did not go as planned.' };
}

export function neverOverlapped(hours: readonly HourRecord[]): Claim {
  const holds = pairs(hours).every(([earlier, later]) => earlier.end <= later.begin);
  return { holds, text: holds ? 'No two imports overlapped.' : 'Imports overlapped.' };
}

export function fencesGrew(hours: readonly HourRecord[]): Claim {
  const holds = pairs(hours).every(
    ([earlier, later]) => Number(earlier.fence) < Number(later.fence),
  );
  const fences = inTurn(hours).map(({ fence }) => fence);
  return {
    holds,
    text: holds
      ? `Fences grew: ${fences.join(' < ')}.`
      : `Fences did not grow: ${fences.join(', ')}.`,
  };
}

function inTurn(hours: readonly HourRecord[]): Run[] {
  return hours.flatMap(({ runs }) => runs).sort((a, b) => a.begin - b.begin);
}

/** Each import, and the next. */
function pairs(hours: readonly HourRecord[]): [Run, Run][] {
  const runs = inTurn(hours);
  return runs.slice(1).map((run, index) => [runs[index] as Run, run]);
}
