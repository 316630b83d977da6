/** All measures, by the letter that the command line knows them by. */
import { behind } from './behind.js';
import { burst } from './burst.js';
import { cycle } from './cycle.js';
import { enginesMeasure } from './engines.js';
import { loss } from './loss.js';
import { lostReply } from './lost-reply.js';
import type { Measure } from './measure.js';
import { processesMeasure } from './processes.js';
import { readersMeasure } from './readers.js';
import { renewal } from './renewal.js';
import { semaphore } from './semaphore.js';
import { turnsMeasure } from './turns.js';

export const measures: { readonly [letter: string]: Measure } = {
  a: cycle,
  b: burst,
  c: processesMeasure,
  d: behind,
  e: renewal,
  f: loss,
  g: lostReply,
  h: turnsMeasure,
  i: semaphore,
  j: readersMeasure,
  k: enginesMeasure,
};
