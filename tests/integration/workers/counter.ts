/**
 * One of several processes that count in one file, each step a reading and a writing under the
 * lock: without exclusion, steps are lost. Arguments: store URL, directory, rounds.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tryAcquire } from 'dlock-js';
import { openStore } from '../../support/stores.js';

const [url = '', directory = '', rounds = ''] = process.argv.slice(2);
const { store, close } = await openStore(url);
const counter = join(directory, 'counter');

for (let round = 0; round < Number(rounds); ) {
  await using lease = await tryAcquire(store, 'counter');
  if (!lease) {
    await delay(Math.random() * 5);
    continue;
  }
  const count = Number(await readFile(counter, 'utf8'));
  await writeFile(counter, String(count + 1));
  await appendFile(join(directory, 'fences'), `${lease.fence ?? ''}\n`);
  round += 1;
}
await close();
process.disconnect();
