/** Takes a lock twice, the second time woken, closes its clients, and has nothing else to do. */
import { acquire } from 'dlock-js';
import { GlideStore } from 'dlock-js/valkey-glide';
import { openGlide } from '../../support/glide.js';

const [url = ''] = process.argv.slice(2);
const client = await openGlide(url);
const listener = await openGlide(url);
const stores = [
  new GlideStore(client, { listener }),
  new GlideStore(client, { listener }),
] as const;
const first = await acquire(stores[0], 'closing');
const waiting = acquire(stores[1], 'closing');
await first.release();
await (await waiting).release();
client.close();
listener.close();
console.log('closed');
