/** Takes a lock as soon as it is free, tells its fence, and holds it until killed. Arguments: store URL, name, ttl. */
import { acquire } from 'dlock-js';
import { openStore } from '../../support/stores.js';

const [url = '', name = '', ttl = ''] = process.argv.slice(2);
const { store } = await openStore(url);
const { fence } = await acquire(store, name, { ttl: Number(ttl) });
process.send?.({ fence });
setInterval(() => {}, 60_000);
