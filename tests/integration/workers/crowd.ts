/**
 * A process in which many wait for one lock at once, each for one short section. In the end it tells of these.
 * Arguments: store URL, name of the lock, how many wait.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { acquire } from 'dlock-js';
import { openStore } from '../../support/stores.js';

const [url = '', name = '', count = ''] = process.argv.slice(2);
const { store, close } = await openStore(url);
process.send?.('ready');
await once(process, 'message');

const sections = await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const lease = await acquire(store, name);
    // In milliseconds of the epoch, which other processes compare.
    const begin = Date.now();
    await delay(2);
    const section = { fence: lease.fence, begin, end: Date.now() };
    await lease.release();
    return section;
  }),
);
await close();
process.send?.(sections, () => process.exit());
