/**
 * A server whose clock is wrong, when that clock strikes the hour: it imports, or is told why not.
 * Arguments: store URL, milliseconds that its clock is ahead, name of the lock, way.
 */
const [url = '', ahead = '', name = '', way = ''] = process.argv.slice(2);
const rightNow = Date.now;
Date.now = () => rightNow() + Number(ahead);

const { once, tryAcquire } = await import('dlock-js');
const { openStore } = await import('../../support/stores.js');
const { store, close } = await openStore(url);

async function strike(): Promise<string> {
  if (way === 'once') {
    const outcome = await once(store, name, '2026-11-24T05', () => {});
    return outcome.ran ? 'imported' : outcome.reason;
  }
  await using lease = await tryAcquire(store, name, { minHold: way === 'minHold' ? 60_000 : 0 });
  return lease ? 'imported' : 'held';
}

process.send?.(await strike());
await close();
process.disconnect();
