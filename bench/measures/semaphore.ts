/** Measure i: a semaphore of a few places, and a hundred who want one. */
import { able } from '../contestants/index.js';
import { burstColumns, burstRow, burstsOf, type Crew, type Entry, end, entryOf } from './bursts.js';
import { serve } from './crowd.js';
import type { Measure } from './measure.js';

const places = 4;
const crews: readonly Crew[] = [
  { processes: 1, waiters: 100, places },
  { processes: 4, waiters: 25, places },
];

export const semaphore: Measure = {
  title: `i. A semaphore of ${places} places, and a hundred who want one`,
  tasks: { serve },
  async run(bench) {
    const { able: here, unable } = able('waiting', 'processes', 'sharing');
    const tables = [];
    for (const crew of crews) {
      const { processes, waiters } = crew;
      const title = `${processes} ${processes > 1 ? 'processes' : 'process'} of ${waiters}`;
      bench.progress(title);
      const entries: Entry[] = [];
      for (const contestant of here) entries.push(await entryOf('i', contestant, crew, bench));
      await burstsOf(entries);
      for (const entry of entries) await end(entry);
      tables.push({
        title,
        text: `As in measure c, with ${places} at once: at best a section takes a ${places}th of the body.`,
        columns: burstColumns,
        rows: [
          ...entries.map(burstRow),
          ...unable.map(({ name, reason }) => [name, reason, '', '', '', '']),
        ],
      });
    }
    return { tables };
  },
};
