/** Adopts the lease whose ticket comes on stdin, works for a while, and gives it back. Argument: store URL. */
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { adopt } from 'dlock-js';
import { openStore } from '../../support/stores.js';

const { store, close } = await openStore(process.argv[2] ?? '');
{
  await using lease = await adopt(store, JSON.parse(await text(process.stdin)));
  process.stdout.write(`${lease ? `adopted ${lease.fence}` : 'too late'}\n`);
  if (lease) await delay(Number(process.argv[3]), undefined, { signal: lease.signal });
}
await close();
