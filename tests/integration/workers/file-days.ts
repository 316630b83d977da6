/**
 * One of several processes for which a day passes in a few milliseconds: they take locks that others
 * sweep, and write under each lock what should be the next line of its log. Arguments: directory of
 * the locks, directory of the logs, milliseconds of a day, when to end.
 */
import fs, { appendFile, readFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileStore } from 'dlock-js/file';
import { clock, useClock } from '../../../src/base/clock.js';
import { sweep } from '../../../src/stores/file/sweep.js';
import { day } from '../../support/wall-clock.js';

const [locks = '', logs = '', dayLength = '', end = ''] = process.argv.slice(2);

const { rmdir } = fs;
let removals = 0;
fs.rmdir = async (...args) => {
  await rmdir(...args);
  removals += 1;
};
syncBuiltinESMExports();

// All processes of the machine see the same time, as ever: it only passes faster.
const epoch = Number(end) - 60_000;
const real = clock;
useClock({
  ...real,
  wall: () => epoch + (real.wall() - epoch) * (day / Number(dayLength)),
});

const store = new FileStore(locks);
for (let round = 0; Date.now() < Number(end); round++) {
  const name = `import-${Math.floor(Math.random() * 16)}`;
  const token = `${process.pid}-${round}`;
  // Longer than all of this lasts, so that nobody can lose a lock but by a fault.
  const attempt = await store.acquire(name, token, 1e6 * day);
  if (attempt.granted) {
    const log = join(logs, name);
    const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').length;
    await appendFile(log, `${lines} ${attempt.fence}\n`);
    if (!(await store.release(name, token))) throw new Error(`${name} was lost`);
  }
  if (round % 2) await sweep(locks);
  else await sleep(Math.random() * 10);
}
process.send?.({ removals });
process.disconnect();
