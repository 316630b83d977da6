/** Scripts that once broke a promise, shrunk: played each time, whatever the seed. */
import type { Script, Take } from './script.js';

const take: Take = {
  do: 'take',
  ttl: 150,
  renew: true,
  minHold: 0,
  wait: 0,
  abortAfter: undefined,
  observed: false,
  hold: 0,
  end: 'release',
};

export const found: readonly { readonly title: string; readonly script: Script }[] = [
  {
    // The world did more than it may: the acquire that failed at 198 came at 500, long after its undo
    // was sure that it would not, and an orphan was left.
    title: 'an ordered wire delays an acquire that fails by an older one, and its undo is cut off',
    script: {
      seed: 28,
      server: { timeout: 100, wakes: false, fences: false, knowsLife: false, step: 1 },
      processes: [
        {
          rate: 1,
          ordered: true,
          sleeps: false,
          fates: [
            { kind: 'delivered', there: 500, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'delivered', there: 0, back: 0 },
            { kind: 'reply lost', there: 0, fails: 0 },
            { kind: 'reply lost', there: 0, fails: 0 },
          ],
        },
      ],
      steps: [
        { after: 0, process: 0, action: take },
        { after: 198, process: 0, action: take },
        { after: 301, process: 0, action: { do: 'cut', share: 0 } },
      ],
    },
  },
];
