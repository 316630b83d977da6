/**
 * A process of a contestant's own: connects it, and does the tasks of one measure that the main
 * process asks for. Told by argument: the measure, the contestant, the addresses.
 */
import type { Addresses } from './contestants/contestant.js';
import { contestantNamed } from './contestants/index.js';
import { measures } from './measures/index.js';
import type { Request } from './workers.js';

const [letter = '', name = '', addresses = ''] = process.argv.slice(2);
const tasks = measures[letter]?.tasks;
if (!tasks) throw new RangeError(`There is no measure ${letter}`);
const session = await contestantNamed(name).open(JSON.parse(addresses) as Addresses);

process.on('message', async ({ id, task, parameters }: Request) => {
  try {
    const answer = await tasks[task]?.(session, parameters);
    process.send?.({ id, answer });
  } catch (error) {
    process.send?.({ id, error: String(error) });
  }
});
process.once('disconnect', () => process.exit());
process.send?.('ready');
